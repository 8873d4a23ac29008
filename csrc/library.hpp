// A shared library opened at run time, and the error of everything that is found in one.
#pragma once

#include <dlfcn.h>

#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>

namespace assay {

/// A driver that cannot be opened, or a call of it that failed.
class DriverError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// Move-only; closed by its destructor.
class Library {
  public:
    /// Opens the file that an environment variable names, else the library of that name.
    Library(const char* variable, const char* soname) {
        const char* path = std::getenv(variable);
        handle_.reset(dlopen(path && *path ? path : soname, RTLD_NOW | RTLD_LOCAL));
        if (!handle_) throw DriverError(loader_error());
    }

    /// An entry point, or null where the library has none of that name.
    template <class Function>
    Function* find(const char* name) const {
        return reinterpret_cast<Function*>(dlsym(handle_.get(), name));
    }

    template <class Function>
    Function* resolve(const char* name) const {
        if (auto* function = find<Function>(name)) return function;
        throw DriverError(loader_error());
    }

  private:
    static std::string loader_error() {
        const char* message = dlerror();
        return message ? message : "the loader gave no reason";
    }

    struct Close {
        void operator()(void* handle) const { dlclose(handle); }
    };
    std::unique_ptr<void, Close> handle_;
};

}  // namespace assay
