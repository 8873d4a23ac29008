// assay._native: the only file that knows pybind11. Its types are in src/assay/_native.pyi.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "cuda_driver.hpp"
#include "event_timer.hpp"
#include "histogram.hpp"
#include "memory_sampler.hpp"
#include "nvml.hpp"
#include "python_errors.hpp"
#include "scope_timer.hpp"

namespace py = pybind11;
using assay::CudaDriver;
using assay::EventTimer;
using assay::MemorySampler;
using assay::MemorySamples;
using assay::Nvml;

namespace {

assay::CUstream stream_of(std::uintptr_t handle) {
    return reinterpret_cast<assay::CUstream>(handle);
}

template <std::int64_t assay::EventCounts::*field>
std::int64_t count_of(const EventTimer& timer) {
    return timer.counts().*field;
}

using Unlocked = py::call_guard<py::gil_scoped_release>;

}  // namespace

PYBIND11_MODULE(_native, module, py::mod_gil_not_used()) {
    module.doc() = "The compiled part of assay.";
    py::register_local_exception_translator([](std::exception_ptr error) {
        try {
            std::rethrow_exception(error);
        } catch (const assay::DriverError&) {
            assay::set_current_error();
        } catch (const std::invalid_argument&) {
            assay::set_current_error();
        }
    });

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
    module.def("cuda_driver", &CudaDriver::instance, py::return_value_policy::reference, Unlocked(),
               "Open and initialise the CUDA driver; once per process, later calls are free.");

    py::class_<Nvml, std::unique_ptr<Nvml, py::nodelete>>(
        module, "Nvml", "NVML of this process, or why there is none.")
        .def_property_readonly("available", &Nvml::available)
        .def_property_readonly("reason", &Nvml::reason)
        .def("used_bytes", py::overload_cast<int>(&Nvml::used_bytes, py::const_), py::arg("device"),
             Unlocked())
        .def("clock_mhz", &Nvml::clock_mhz, py::arg("device"), Unlocked())
        .def("throttled", &Nvml::throttled, py::arg("device"), Unlocked());
    module.def("nvml", &Nvml::instance, py::return_value_policy::reference, Unlocked(),
               "Open NVML; once per process, later calls are free.");

    using Counts = assay::EventCounts;
    py::class_<EventTimer>(module, "EventTimer", "Device times between events on a stream.")
        .def(py::init<int>(), py::arg("device"), Unlocked())
        .def("start", [](EventTimer& timer, std::uintptr_t stream) {
            return timer.start(stream_of(stream));
        }, py::arg("stream"), Unlocked())
        .def("stop", [](EventTimer& timer, EventTimer::Ticket ticket, std::uintptr_t stream) {
            timer.stop(ticket, stream_of(stream));
        }, py::arg("ticket"), py::arg("stream"), Unlocked())
        .def("read", [](EventTimer& timer) {
            std::vector<std::pair<EventTimer::Ticket, std::int64_t>> pairs;
            for (const auto& pair : timer.read()) pairs.emplace_back(pair.ticket, pair.ns);
            return pairs;
        }, Unlocked())
        .def("reset", &EventTimer::reset, Unlocked())
        .def_property_readonly("lost", count_of<&Counts::lost>)
        .def_property_readonly("skipped", count_of<&Counts::skipped>)
        .def_property_readonly("grown", count_of<&Counts::grown>)
        .def_property_readonly("pending", count_of<&Counts::pending>)
        .def_property_readonly("pairs", count_of<&Counts::pairs>)
        .def_property_readonly("error", [](const EventTimer& timer) {
            return timer.counts().error;
        });

    py::class_<MemorySamples>(module, "MemorySamples", "What a MemorySampler saw.")
        .def_readonly("source", &MemorySamples::source)
        .def_readonly("period_s", &MemorySamples::period_s)
        .def_readonly("baseline_bytes", &MemorySamples::baseline_bytes)
        .def_readonly("end_bytes", &MemorySamples::end_bytes)
        .def_readonly("peak_bytes", &MemorySamples::peak_bytes)
        .def_property_readonly("phases", [](const MemorySamples& samples) {
            py::dict phases;
            for (const auto& [name, peak] : samples.phases) phases[py::str(name)] = peak;
            return phases;
        })
        .def_readonly("timeline", &MemorySamples::timeline)
        .def_readonly("count", &MemorySamples::count)
        .def_readonly("errors", &MemorySamples::errors)
        .def_readonly("error", &MemorySamples::error);
    py::class_<MemorySampler>(module, "MemorySampler", "Samples bytes in use, in its own thread.")
        .def(py::init<std::string, int, double>(), py::arg("source"), py::arg("device") = 0,
             py::arg("period_s") = 0.001)
        .def("start", &MemorySampler::start, Unlocked())
        .def("mark", &MemorySampler::mark, py::arg("phase"), Unlocked())
        .def("stop", &MemorySampler::stop, Unlocked());

    module.def("bucket_of", [](std::int64_t ns) {
        if (ns < 0) throw std::invalid_argument("ns must be at least 0, got " + std::to_string(ns));
        return assay::bucket_of(ns);
    }, py::arg("ns"), "The bucket of a duration; assay.ops.durations has it for arrays.");

    PyTypeObject* scope_timer = assay::make_timer_type();
    if (!scope_timer) throw py::error_already_set();
    module.attr("ScopeTimer") = py::reinterpret_steal<py::object>(
        reinterpret_cast<PyObject*>(scope_timer));
    module.attr("Scope") = py::reinterpret_borrow<py::object>(
        reinterpret_cast<PyObject*>(assay::scope_type));
}
