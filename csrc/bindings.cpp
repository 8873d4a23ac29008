// assay._native: the only file that knows Python. Its types are in src/assay/_native.pyi.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "cuda_driver.hpp"

namespace py = pybind11;
using assay::CudaDriver;

PYBIND11_MODULE(_native, module, py::mod_gil_not_used()) {
    module.doc() = "The compiled part of assay.";

    py::class_<CudaDriver, std::unique_ptr<CudaDriver, py::nodelete>>(
        module, "CudaDriver", "The CUDA driver of this process, or why there is none.")
        .def_property_readonly("available", &CudaDriver::available)
        .def_property_readonly("reason", &CudaDriver::reason)
        .def_property_readonly("version", &CudaDriver::version)
        .def_property_readonly("devices", &CudaDriver::devices)
        .def("__repr__", [](const CudaDriver& driver) {
            if (!driver.available()) return "CudaDriver(unavailable: " + driver.reason() + ")";
            return "CudaDriver(version=" + std::to_string(*driver.version()) +
                   ", devices=" + std::to_string(driver.devices()) + ")";
        });

    module.def("cuda_driver", &CudaDriver::instance, py::return_value_policy::reference,
               py::call_guard<py::gil_scoped_release>(),
               "Open and initialise the CUDA driver; once per process, later calls are free.");
}
