// `with timer("forward"):` in Python's C API, since a scope costs what its bookkeeping costs.
//
// timer(name) gives a scope that is made once a name. The interpreter binds __enter__ and __exit__
// anew each time, which is two objects made and freed; here they are descriptors that give the
// scope itself, and calling it with no arguments enters, with an exception's three exits.
#pragma once

#include <Python.h>
#include <structmember.h>

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "event_timer.hpp"
#include "python_errors.hpp"
#include "scope_tree.hpp"

namespace assay {

/// Whoever runs Python holds its lock, so no other is needed where there is one. It is kept while
/// an event is recorded, as torch's own Event.record does: that returns at once.
#ifdef Py_GIL_DISABLED
using ScopeMutex = std::mutex;
#else
struct ScopeMutex {
    void lock() {}
    void unlock() {}
};
#endif
using ScopeEvents = BasicEventTimer<ScopeMutex>;

/// What the scopes of one timer share.
struct ScopeCore {
    ~ScopeCore() { Py_XDECREF(stream_of); }

    ScopeMutex mutex;  // of the tree
    ScopeTree tree;
    std::optional<ScopeEvents> events;  // where scopes are timed on a device too
    int device = 0;
    CUstream stream = nullptr;
    PyObject* stream_of = nullptr;  // or who gives the current stream of a device
};

struct ScopeObject {
    PyObject_HEAD
    vectorcallfunc call;
    std::shared_ptr<ScopeCore> core;
    Scope scope;
};

inline PyTypeObject* scope_type = nullptr;

// -- device ---------------------------------------------------------------------------------------

/// Asks for the stream that work goes to now; false, with an error set, where it cannot be told.
inline bool ask_stream(const ScopeCore& core, CUstream& stream) {
    PyObject* device = PyLong_FromLong(core.device);
    PyObject* handle = device ? PyObject_CallOneArg(core.stream_of, device) : nullptr;
    Py_XDECREF(device);
    void* told = handle ? PyLong_AsVoidPtr(handle) : nullptr;
    Py_XDECREF(handle);
    stream = static_cast<CUstream>(told);
    return !PyErr_Occurred();
}

/// The same for a loop under way, which goes on without the time.
inline bool stream_or_lost(ScopeCore& core, CUstream& stream) {
    stream = core.stream;
    if (!core.stream_of || ask_stream(core, stream)) return true;
    PyErr_Clear();
    core.events->lose("the current stream could not be told");
    return false;
}

/// The mutex is held.
inline void tally(const std::vector<ScopeEvents::Finished>& finished) {
    for (const auto& pair : finished) static_cast<Node*>(pair.tag)->device.add(pair.ns);
}

inline std::uint64_t start_events(ScopeCore& core) {
    CUstream stream;
    return stream_or_lost(core, stream) ? core.events->start(stream) : 0;
}

inline void stop_events(ScopeCore& core, std::uint64_t ticket, Node* node, bool failed) {
    constexpr std::size_t MANY = 1024;
    CUstream stream;
    if (failed || !stream_or_lost(core, stream)) return core.events->abandon(ticket);
    if (core.events->stop(ticket, stream, node) < MANY) return;
    std::lock_guard lock(core.mutex);
    tally(core.events->take());
}

// -- a scope --------------------------------------------------------------------------------------

inline PyObject* enter_scope(ScopeObject* self) {
    ScopeCore& core = *self->core;
    std::uint64_t ticket = core.events ? start_events(core) : 0;
    bool entered;
    {
        std::lock_guard lock(core.mutex);
        entered = core.tree.enter(self->scope, ticket);
    }
    if (!entered) {
        if (core.events) core.events->abandon(ticket);
        throw std::invalid_argument("scope '" + self->scope.name +
                                    "': 1,000 scopes are open; is one entered and never exited?");
    }
    return Py_NewRef(reinterpret_cast<PyObject*>(self));
}

inline PyObject* exit_scope(ScopeObject* self, bool failed) {
    std::int64_t end = now_ns();
    ScopeCore& core = *self->core;
    std::optional<Frame> frame;
    {
        std::lock_guard lock(core.mutex);
        frame = core.tree.exit(self->scope, end, failed, [&](const Frame& dropped) {
            if (core.events) core.events->abandon(dropped.ticket);
        });
    }
    if (!frame) {
        throw std::invalid_argument("scope '" + self->scope.name + "' is exited and was not " +
                                    "entered on this thread; a scope ends where it began");
    }
    if (core.events && frame->ticket) stop_events(core, frame->ticket, frame->node, failed);
    Py_RETURN_NONE;
}

inline PyObject* call_scope(PyObject* self, PyObject* const* arguments, std::size_t count,
                            PyObject* names) {
    auto* scope = reinterpret_cast<ScopeObject*>(self);
    count = PyVectorcall_NARGS(count);
    try {
        if (names == nullptr && count == 0) return enter_scope(scope);
        if (names == nullptr && count == 3) return exit_scope(scope, arguments[0] != Py_None);
    } catch (...) {
        set_current_error();
        return nullptr;
    }
    PyErr_SetString(PyExc_TypeError, "a scope is entered with no arguments and exited with three");
    return nullptr;
}

inline PyObject* make_scope(const std::shared_ptr<ScopeCore>& core, PyObject* name) {
    Py_ssize_t size = 0;
    const char* text = PyUnicode_AsUTF8AndSize(name, &size);
    if (!text) return nullptr;
    std::string own(text, static_cast<std::size_t>(size));
    if (own.empty() || own.find('/') != std::string::npos) {
        throw std::invalid_argument("the name of a scope must not be empty or hold '/', which " +
                                    ("joins nested names; got '" + own + "'"));
    }
    auto* scope = reinterpret_cast<ScopeObject*>(scope_type->tp_alloc(scope_type, 0));
    if (!scope) return nullptr;
    scope->call = call_scope;
    new (&scope->core) std::shared_ptr<ScopeCore>(core);
    new (&scope->scope) Scope{std::move(own)};
    return reinterpret_cast<PyObject*>(scope);
}

inline void free_scope(PyObject* self) {
    auto* scope = reinterpret_cast<ScopeObject*>(self);
    PyTypeObject* type = Py_TYPE(self);
    scope->core.~shared_ptr();
    scope->scope.~Scope();
    type->tp_free(self);
    Py_DECREF(type);
}

/// __enter__ and __exit__ of the class: in an instance, the instance.
struct BoundObject {
    PyObject_HEAD
};

inline PyObject* bind(PyObject* self, PyObject* scope, PyObject*) {
    return Py_NewRef(scope ? scope : self);
}

inline bool add_scope_type() {
    static PyType_Slot slots_of_bound[] = {
        {Py_tp_descr_get, reinterpret_cast<void*>(bind)},
        {0, nullptr},
    };
    static PyType_Spec bound = {"assay._native.ScopeMethod", sizeof(BoundObject), 0,
                                Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                                slots_of_bound};
    static PyMemberDef members[] = {
        {"__vectorcalloffset__", T_PYSSIZET, offsetof(ScopeObject, call), READONLY, nullptr},
        {nullptr, 0, 0, 0, nullptr},
    };
    static PyType_Slot slots[] = {
        {Py_tp_doc, const_cast<char*>("A named scope of a timer; made by timer(name).")},
        {Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
        {Py_tp_dealloc, reinterpret_cast<void*>(free_scope)},
        {Py_tp_members, members},
        {0, nullptr},
    };
    static PyType_Spec spec = {"assay._native.Scope", sizeof(ScopeObject), 0,
                               Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL |
                                   Py_TPFLAGS_DISALLOW_INSTANTIATION,
                               slots};
    auto* method_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&bound));
    if (!method_type) return false;
    scope_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
    if (!scope_type) return false;
    PyObject* method = method_type->tp_alloc(method_type, 0);
    bool done = method && PyObject_SetAttrString(reinterpret_cast<PyObject*>(scope_type),
                                                 "__enter__", method) == 0 &&
                PyObject_SetAttrString(reinterpret_cast<PyObject*>(scope_type), "__exit__",
                                       method) == 0;
    Py_XDECREF(method);
    Py_DECREF(method_type);
    return done;
}

}  // namespace assay
