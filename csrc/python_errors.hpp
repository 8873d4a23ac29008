// C++ exceptions as Python's: those of assay.core.errors, found when there is one to raise.
#pragma once

#include <Python.h>

#include <exception>
#include <new>
#include <stdexcept>

#include "library.hpp"

namespace assay {

/// Sets an error of assay.core.errors, or whatever kept it from being found.
inline void set_error(const char* type, const char* message) {
    PyObject* errors = PyImport_ImportModule("assay.core.errors");
    PyObject* found = errors ? PyObject_GetAttrString(errors, type) : nullptr;
    if (found) PyErr_SetString(found, message);
    Py_XDECREF(found);
    Py_XDECREF(errors);
}

/// Sets the error that the exception being handled stands for.
inline void set_current_error() {
    try {
        throw;
    } catch (const DriverError& error) {
        set_error("DeviceError", error.what());
    } catch (const std::invalid_argument& error) {
        set_error("InputError", error.what());
    } catch (const std::bad_alloc&) {
        PyErr_NoMemory();
    } catch (const std::exception& error) {
        PyErr_SetString(PyExc_RuntimeError, error.what());
    }
}

}  // namespace assay
