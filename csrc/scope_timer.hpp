// ScopeTimer: the scopes of one loop, and what was counted of them.
#pragma once

#include "scope.hpp"

namespace assay {

struct TimerObject {
    PyObject_HEAD
    vectorcallfunc call;
    PyObject* scopes;  // name -> scope
    std::shared_ptr<ScopeCore> core;
};

inline TimerObject* timer_of(PyObject* self) { return reinterpret_cast<TimerObject*>(self); }

inline PyObject* call_timer(PyObject* self, PyObject* const* arguments, std::size_t count,
                            PyObject* names) {
    if (PyVectorcall_NARGS(count) != 1 || names) {
        PyErr_SetString(PyExc_TypeError, "a timer is called with the name of a scope");
        return nullptr;
    }
    PyObject* name = arguments[0];
    if (!PyUnicode_Check(name)) {
        PyObject* text = PyObject_Repr(name);
        const char* utf8 = text ? PyUnicode_AsUTF8(text) : nullptr;
        if (utf8) {
            std::string message = std::string("the name of a scope must be a string, got ") + utf8;
            set_error("InputError", message.c_str());
        }
        Py_XDECREF(text);
        return nullptr;
    }
    PyObject* scopes = timer_of(self)->scopes;
    PyObject* scope = PyDict_GetItemWithError(scopes, name);  // never taken out again
    if (scope || PyErr_Occurred()) return Py_XNewRef(scope);
    try {
        PyObject* made = make_scope(timer_of(self)->core, name);
        if (!made) return nullptr;
        scope = Py_XNewRef(PyDict_SetDefault(scopes, name, made));  // another thread may be first
        Py_DECREF(made);
        return scope;
    } catch (...) {
        set_current_error();
        return nullptr;
    }
}

// -- life -----------------------------------------------------------------------------------------

inline PyObject* new_timer(PyTypeObject* type, PyObject*, PyObject*) {
    PyObject* self = type->tp_alloc(type, 0);
    if (!self) return nullptr;
    timer_of(self)->call = call_timer;
    new (&timer_of(self)->core) std::shared_ptr<ScopeCore>();
    try {
        timer_of(self)->core = std::make_shared<ScopeCore>();
    } catch (...) {
        set_current_error();
    }
    timer_of(self)->scopes = PyErr_Occurred() ? nullptr : PyDict_New();
    if (timer_of(self)->scopes) return self;
    Py_DECREF(self);
    return nullptr;
}

inline int init_timer(PyObject* self, PyObject* arguments, PyObject* names) {
    static const char* known[] = {"device", "stream", nullptr};
    PyObject *device = Py_None, *stream = Py_None;
    if (!PyArg_ParseTupleAndKeywords(arguments, names, "|OO", const_cast<char**>(known), &device,
                                     &stream)) {
        return -1;
    }
    if (device == Py_None) return 0;
    ScopeCore& core = *timer_of(self)->core;
    if (core.events) {  // open scopes hold tickets of it
        set_error("InputError", "a ScopeTimer with a device is initialised once");
        return -1;
    }
    core.device = static_cast<int>(PyLong_AsLong(device));
    if (PyErr_Occurred()) return -1;
    if (PyCallable_Check(stream)) {
        Py_XSETREF(core.stream_of, Py_NewRef(stream));
        if (!ask_stream(core, core.stream)) return -1;
    } else if (stream != Py_None) {
        core.stream = static_cast<CUstream>(PyLong_AsVoidPtr(stream));
        if (PyErr_Occurred()) return -1;
    }
    try {
        core.events.emplace(core.device);
    } catch (...) {
        set_current_error();
        return -1;
    }
    return 0;
}

inline int visit_timer(PyObject* self, visitproc visit, void* arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(timer_of(self)->scopes);
    return 0;
}

inline int clear_timer(PyObject* self) {
    Py_CLEAR(timer_of(self)->scopes);
    return 0;
}

inline void free_timer(PyObject* self) {
    PyTypeObject* type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    clear_timer(self);
    timer_of(self)->core.~shared_ptr();
    type->tp_free(self);
    Py_DECREF(type);
}

// -- reading --------------------------------------------------------------------------------------

// First copied, then made into objects: to make one may run other Python code, which enters scopes.

inline PyObject* as_object(const Row::Times& times) {
    PyObject* counts = PyDict_New();
    for (const auto& [bucket, count] : times.counts) {
        PyObject* key = counts ? PyLong_FromSize_t(bucket) : nullptr;
        PyObject* value = key ? PyLong_FromLongLong(count) : nullptr;
        if (!value || PyDict_SetItem(counts, key, value) < 0) Py_CLEAR(counts);
        Py_XDECREF(key);
        Py_XDECREF(value);
    }
    if (!counts) return nullptr;
    if (times.counts.empty()) return Py_BuildValue("(iOON)", 0, Py_None, Py_None, counts);
    return Py_BuildValue("(LLLN)", static_cast<long long>(times.total),
                         static_cast<long long>(times.shortest),
                         static_cast<long long>(times.longest), counts);
}

inline PyObject* as_object(const Row& row) {
    PyObject* host = as_object(row.host);
    PyObject* device = host ? as_object(row.device) : nullptr;
    if (device) {
        return Py_BuildValue("(sNNLL)", row.path.c_str(), host, device,
                             static_cast<long long>(row.failed),
                             static_cast<long long>(row.left_open));
    }
    Py_XDECREF(host);
    return nullptr;
}

inline PyObject* as_object(const std::string& path) { return PyUnicode_FromString(path.c_str()); }

template <class Item>
PyObject* as_list(const std::vector<Item>& items) {
    PyObject* list = PyList_New(0);
    for (const Item& item : items) {
        PyObject* made = list ? as_object(item) : nullptr;
        if (!made || PyList_Append(list, made) < 0) Py_CLEAR(list);
        Py_XDECREF(made);
    }
    return list;
}

template <class Read>
PyObject* read_core(PyObject* self, Read read) {
    try {
        ScopeCore& core = *timer_of(self)->core;
        return as_list([&] {
            std::lock_guard lock(core.mutex);
            return read(core);
        }());
    } catch (...) {
        set_current_error();
        return nullptr;
    }
}

inline PyObject* read_timer(PyObject* self, PyObject*) {
    return read_core(self, [](ScopeCore& core) {
        if (core.events) tally(core.events->read());
        return core.tree.rows();
    });
}

inline PyObject* open_scopes(PyObject* self, void*) {
    return read_core(self, [](ScopeCore& core) { return core.tree.open(); });
}

inline PyObject* reset_timer(PyObject* self, PyObject*) {
    ScopeCore& core = *timer_of(self)->core;
    if (core.events) core.events->reset();
    std::lock_guard lock(core.mutex);
    core.tree.reset();
    Py_RETURN_NONE;
}

template <std::int64_t EventCounts::*field>
PyObject* count_of(PyObject* self, void*) {
    const ScopeCore& core = *timer_of(self)->core;
    return PyLong_FromLongLong(core.events ? core.events->counts().*field : 0);
}

inline PyObject* error_of(PyObject* self, void*) {
    const ScopeCore& core = *timer_of(self)->core;
    return PyUnicode_FromString(core.events ? core.events->counts().error.c_str() : "");
}

/// A class that inherits from the timer is called as fast (from Python 3.12 on by itself).
inline PyObject* init_subclass(PyObject* type, PyObject*) {
#if PY_VERSION_HEX < 0x030C0000
    reinterpret_cast<PyTypeObject*>(type)->tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL;
#else
    (void)type;
#endif
    Py_RETURN_NONE;
}

inline PyTypeObject* make_timer_type() {
    static PyMethodDef methods[] = {
        {"read", read_timer, METH_NOARGS, "What was counted, a row a path; waits for no device."},
        {"reset", reset_timer, METH_NOARGS, "Forget it; open scopes count whole when they end."},
        {"__init_subclass__", init_subclass, METH_NOARGS | METH_CLASS, nullptr},
        {nullptr, nullptr, 0, nullptr},
    };
    static PyGetSetDef fields[] = {
        {"open", open_scopes, nullptr, "Paths of the scopes that are open.", nullptr},
        {"lost", count_of<&EventCounts::lost>, nullptr, "Device times that failed.", nullptr},
        {"skipped", count_of<&EventCounts::skipped>, nullptr, "those in a capture.", nullptr},
        {"pending", count_of<&EventCounts::pending>, nullptr, "those not there yet.", nullptr},
        {"grown", count_of<&EventCounts::grown>, nullptr, "More event pairs were made.", nullptr},
        {"device_error", error_of, nullptr, "Of the first device time lost; empty.", nullptr},
        {nullptr, nullptr, nullptr, nullptr, nullptr},
    };
    static PyMemberDef members[] = {
        {"__vectorcalloffset__", T_PYSSIZET, offsetof(TimerObject, call), READONLY, nullptr},
        {nullptr, 0, 0, 0, nullptr},
    };
    static PyType_Slot slots[] = {
        {Py_tp_doc, const_cast<char*>("Named scopes, nested: timer(name) is a context manager.")},
        {Py_tp_new, reinterpret_cast<void*>(new_timer)},
        {Py_tp_init, reinterpret_cast<void*>(init_timer)},
        {Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
        {Py_tp_traverse, reinterpret_cast<void*>(visit_timer)},
        {Py_tp_clear, reinterpret_cast<void*>(clear_timer)},
        {Py_tp_dealloc, reinterpret_cast<void*>(free_timer)},
        {Py_tp_methods, methods},
        {Py_tp_getset, fields},
        {Py_tp_members, members},
        {0, nullptr},
    };
    static PyType_Spec spec = {"assay._native.ScopeTimer", sizeof(TimerObject), 0,
                               Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC |
                                   Py_TPFLAGS_HAVE_VECTORCALL,
                               slots};
    return add_scope_type() ? reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec)) : nullptr;
}

}  // namespace assay
