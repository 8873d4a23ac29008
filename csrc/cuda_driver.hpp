// The CUDA driver, opened at run time.
//
// No CUDA header and no link to libcuda: one build loads on machines with and without a GPU. The
// library is asked for by its SONAME, libcuda.so.1, which only a driver has; the toolkit's stub
// is called libcuda.so and must not be taken for one. ASSAY_LIBCUDA_PATH names another file.
#pragma once

#include <dlfcn.h>

#include <cstdlib>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

namespace assay {

using CUresult = int;

// Every entry point in use: name and arguments. A function that CUDA has revised is listed under
// its newest name (cuMemGetInfo_v2), since the bare one is the old ABI.
#define ASSAY_CUDA_ENTRY_POINTS(ENTRY) \
    ENTRY(cuInit, (unsigned))          \
    ENTRY(cuDriverGetVersion, (int*))  \
    ENTRY(cuDeviceGetCount, (int*))

/// What a result code of start-up means; the codes that a user can meet and act on.
inline const char* describe(CUresult code) {
    switch (code) {
        case 1: return "CUDA_ERROR_INVALID_VALUE";
        case 2: return "CUDA_ERROR_OUT_OF_MEMORY";
        case 3: return "CUDA_ERROR_NOT_INITIALIZED: seen where CUDA was in use before a fork";
        case 34: return "CUDA_ERROR_STUB_LIBRARY: the toolkit's stub was opened, not a driver";
        case 35: return "CUDA_ERROR_INSUFFICIENT_DRIVER: the driver is too old";
        case 46: return "CUDA_ERROR_DEVICE_UNAVAILABLE: another process holds the device";
        case 100: return "CUDA_ERROR_NO_DEVICE: the driver sees no device";
        case 101: return "CUDA_ERROR_INVALID_DEVICE";
        case 304: return "CUDA_ERROR_OPERATING_SYSTEM";
        case 802: return "CUDA_ERROR_SYSTEM_NOT_READY: a system service is not running yet";
        case 803: return "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH: library and kernel module differ";
        case 804: return "CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE";
        default: return "unknown CUDA error";
    }
}

class CudaError : public std::runtime_error {
  public:
    CudaError(const char* call, CUresult code)
        : std::runtime_error(std::string(call) + " returned " + std::to_string(code) + ", " +
                             describe(code)) {}
};

inline void check(const char* call, CUresult code) {
    if (code != 0) throw CudaError(call, code);
}

inline std::string loader_error() {
    const char* message = dlerror();
    return message ? message : "the loader gave no reason";
}

/// A shared library held open, and its entry points.
class CudaLibrary {
  public:
    explicit CudaLibrary(const char* path) : handle_(dlopen(path, RTLD_NOW | RTLD_LOCAL)) {
        if (!handle_) throw std::runtime_error(loader_error());
#define ENTRY(name, arguments) name = resolve<CUresult arguments>(#name);
        ASSAY_CUDA_ENTRY_POINTS(ENTRY)
#undef ENTRY
    }

#define ENTRY(name, arguments) CUresult(*name) arguments = nullptr;
    ASSAY_CUDA_ENTRY_POINTS(ENTRY)
#undef ENTRY

  private:
    template <class Function>
    Function* resolve(const char* name) const {
        void* address = dlsym(handle_.get(), name);
        if (!address) throw std::runtime_error(loader_error());
        return reinterpret_cast<Function*>(address);
    }

    struct Close {
        void operator()(void* handle) const { dlclose(handle); }
    };
    std::unique_ptr<void, Close> handle_;
};

/// The driver of this process, or the reason why there is none.
class CudaDriver {
  public:
    /// Opened by the first call; never closed, as a driver in use owns threads.
    static const CudaDriver& instance() {
        static const auto* driver = new CudaDriver;
        return *driver;
    }

    bool available() const { return reason_.empty(); }
    const std::string& reason() const { return reason_; }
    std::optional<int> version() const { return version_; }
    int devices() const { return devices_; }

  private:
    CudaDriver() {
        try {
            const char* path = std::getenv("ASSAY_LIBCUDA_PATH");
            library_.emplace(path && *path ? path : "libcuda.so.1");
            start(*library_);
        } catch (const std::exception& error) {
            reason_ = error.what();
        }
    }

    void start(const CudaLibrary& cuda) {
        int version = 0;
        check("cuDriverGetVersion", cuda.cuDriverGetVersion(&version));
        version_ = version;  // known even where cuInit fails
        check("cuInit", cuda.cuInit(0));
        check("cuDeviceGetCount", cuda.cuDeviceGetCount(&devices_));
        if (devices_ == 0) throw std::runtime_error("the driver sees no device");
    }

    std::optional<CudaLibrary> library_;
    std::string reason_;
    std::optional<int> version_;
    int devices_ = 0;
};

}  // namespace assay
