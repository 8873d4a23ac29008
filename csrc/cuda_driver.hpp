// The CUDA driver, opened at run time.
//
// No CUDA header and no link to libcuda: one build loads on machines with and without a GPU. The
// library is asked for by its SONAME, libcuda.so.1, which only a driver has; the toolkit's stub
// is called libcuda.so and must not be taken for one. ASSAY_LIBCUDA_PATH names another file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "library.hpp"

namespace assay {

using CUresult = int;
using CUdevice = int;
using CUcontext = struct CUcontextOpaque*;
using CUstream = struct CUstreamOpaque*;
using CUevent = struct CUeventOpaque*;

// Every entry point in use: name, the name of the ABI that is meant where the loader is asked for
// it (a bare name is the old ABI of a function that CUDA has revised), and arguments.
#define ASSAY_CUDA_REQUIRED(ENTRY)                                                       \
    ENTRY(cuInit, "cuInit", (unsigned))                                                  \
    ENTRY(cuDeviceGetCount, "cuDeviceGetCount", (int*))                                  \
    ENTRY(cuDeviceGet, "cuDeviceGet", (CUdevice*, int))                                  \
    ENTRY(cuDeviceGetPCIBusId, "cuDeviceGetPCIBusId", (char*, int, CUdevice))            \
    ENTRY(cuDevicePrimaryCtxGetState, "cuDevicePrimaryCtxGetState",                      \
          (CUdevice, unsigned*, int*))                                                   \
    ENTRY(cuDevicePrimaryCtxRetain, "cuDevicePrimaryCtxRetain", (CUcontext*, CUdevice))  \
    ENTRY(cuDevicePrimaryCtxRelease, "cuDevicePrimaryCtxRelease_v2", (CUdevice))         \
    ENTRY(cuCtxGetCurrent, "cuCtxGetCurrent", (CUcontext*))                              \
    ENTRY(cuCtxPushCurrent, "cuCtxPushCurrent_v2", (CUcontext))                          \
    ENTRY(cuCtxPopCurrent, "cuCtxPopCurrent_v2", (CUcontext*))                           \
    ENTRY(cuMemGetInfo, "cuMemGetInfo_v2", (std::size_t*, std::size_t*))                 \
    ENTRY(cuStreamIsCapturing, "cuStreamIsCapturing", (CUstream, int*))                  \
    ENTRY(cuEventCreate, "cuEventCreate", (CUevent*, unsigned))                          \
    ENTRY(cuEventDestroy, "cuEventDestroy_v2", (CUevent))                                \
    ENTRY(cuEventRecord, "cuEventRecord", (CUevent, CUstream))                           \
    ENTRY(cuEventElapsedTime, "cuEventElapsedTime", (float*, CUevent, CUevent))

#define ASSAY_CUDA_OPTIONAL(ENTRY) \
    ENTRY(cuThreadExchangeStreamCaptureMode, "cuThreadExchangeStreamCaptureMode", (int*))

/// The codes that a user can meet and act on.
inline const char* describe(CUresult code) {
    switch (code) {
        case 1: return "CUDA_ERROR_INVALID_VALUE";
        case 2: return "CUDA_ERROR_OUT_OF_MEMORY";
        case 3: return "CUDA_ERROR_NOT_INITIALIZED: seen where CUDA was in use before a fork";
        case 4: return "CUDA_ERROR_DEINITIALIZED: the process is ending";
        case 34: return "CUDA_ERROR_STUB_LIBRARY: the toolkit's stub was opened, not a driver";
        case 35: return "CUDA_ERROR_INSUFFICIENT_DRIVER: the driver is too old";
        case 46: return "CUDA_ERROR_DEVICE_UNAVAILABLE: another process holds the device";
        case 100: return "CUDA_ERROR_NO_DEVICE: the driver sees no device";
        case 101: return "CUDA_ERROR_INVALID_DEVICE";
        case 201: return "CUDA_ERROR_INVALID_CONTEXT: no context, or one of another device";
        case 214: return "CUDA_ERROR_ECC_UNCORRECTABLE: the device is lost";
        case 304: return "CUDA_ERROR_OPERATING_SYSTEM";
        case 400: return "CUDA_ERROR_INVALID_HANDLE: of another context, or destroyed";
        case 700: return "CUDA_ERROR_ILLEGAL_ADDRESS: a kernel failed, the context is lost";
        case 709: return "CUDA_ERROR_CONTEXT_IS_DESTROYED";
        case 719: return "CUDA_ERROR_LAUNCH_FAILED: a kernel failed, the context is lost";
        case 802: return "CUDA_ERROR_SYSTEM_NOT_READY: a system service is not running yet";
        case 803: return "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH: library and kernel module differ";
        case 804: return "CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE";
        case 900: return "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED";
        default: return "unknown CUDA error";
    }
}

constexpr CUresult SUCCESS = 0, NOT_READY = 600, CAPTURE_IMPLICIT = 906;

class CudaError : public DriverError {
  public:
    CudaError(const char* call, CUresult code)
        : DriverError(std::string(call) + " returned " + std::to_string(code) + ", " +
                      describe(code)) {}
};

inline void check(const char* call, CUresult code) {
    if (code != SUCCESS) throw CudaError(call, code);
}

/// The entry points of a driver. cuGetProcAddress gives the ABI of a CUDA version, the one that
/// the declarations above are of; older drivers are asked for each name.
class CudaCalls {
  public:
    explicit CudaCalls(const Library& library)
        : newer_(library.find<ProcAddress2>("cuGetProcAddress_v2")),
          older_(library.find<ProcAddress1>("cuGetProcAddress")) {
#define ENTRY(name, symbol, arguments)                       \
    name = ask<CUresult arguments>(#name);                   \
    if (!name) name = library.resolve<CUresult arguments>(symbol);
        ASSAY_CUDA_REQUIRED(ENTRY)
#undef ENTRY
#define ENTRY(name, symbol, arguments)                       \
    name = ask<CUresult arguments>(#name);                   \
    if (!name) name = library.find<CUresult arguments>(symbol);
        ASSAY_CUDA_OPTIONAL(ENTRY)
#undef ENTRY
    }

#define ENTRY(name, symbol, arguments) CUresult(*name) arguments = nullptr;
    ASSAY_CUDA_REQUIRED(ENTRY)
    ASSAY_CUDA_OPTIONAL(ENTRY)
#undef ENTRY

  private:
    static constexpr int ABI = 12000;
    using ProcAddress1 = CUresult(const char*, void**, int, std::uint64_t);
    using ProcAddress2 = CUresult(const char*, void**, int, std::uint64_t, int*);

    template <class Function>
    Function* ask(const char* name) const {
        void* address = nullptr;
        int found = 0;
        CUresult code = newer_   ? newer_(name, &address, ABI, 0, &found)
                        : older_ ? older_(name, &address, ABI, 0)
                                 : SUCCESS;
        return code == SUCCESS ? reinterpret_cast<Function*>(address) : nullptr;
    }

    ProcAddress2* newer_;
    ProcAddress1* older_;
};

/// The driver of this process, or the reason why there is none.
class CudaDriver {
  public:
    static constexpr int OLDEST = 11000;  // the first with cuDevicePrimaryCtxRelease_v2

    /// Opened by the first call; never closed, as a driver in use owns threads.
    static const CudaDriver& instance() {
        static const auto* driver = new CudaDriver;
        return *driver;
    }

    bool available() const { return reason_.empty(); }
    const std::string& reason() const { return reason_; }
    std::optional<int> version() const { return version_; }
    int devices() const { return devices_; }

    /// The entry points; DriverError with the reason where there is no driver.
    const CudaCalls& calls() const {
        if (!available()) throw DriverError("no CUDA driver: " + reason_);
        return *calls_;
    }

    CUdevice device(int index) const {
        const CudaCalls& cuda = calls();
        if (index < 0 || index >= devices_) {
            throw DriverError("device " + std::to_string(index) + " is not among the " +
                              std::to_string(devices_) + " that the CUDA driver sees");
        }
        CUdevice device = 0;
        check("cuDeviceGet", cuda.cuDeviceGet(&device, index));
        return device;
    }

  private:
    CudaDriver() {
        try {
            library_.emplace("ASSAY_LIBCUDA_PATH", "libcuda.so.1");
            start(*library_);
        } catch (const std::exception& error) {
            reason_ = error.what();
        }
    }

    void start(const Library& library) {
        int version = 0;
        auto* get_version = library.resolve<CUresult(int*)>("cuDriverGetVersion");
        check("cuDriverGetVersion", get_version(&version));
        version_ = version;  // known even where cuInit fails
        if (version < OLDEST) {
            throw DriverError("the driver is too old: it is of CUDA " + release(version) + ", " +
                              release(OLDEST) + " is needed; update the driver");
        }
        calls_.emplace(library);
        check("cuInit", calls_->cuInit(0));
        check("cuDeviceGetCount", calls_->cuDeviceGetCount(&devices_));
        if (devices_ == 0) throw DriverError("the driver sees no device");
    }

    static std::string release(int version) {
        return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
    }

    std::optional<Library> library_;
    std::optional<CudaCalls> calls_;
    std::string reason_;
    std::optional<int> version_;
    int devices_ = 0;
};

/// A device's primary context, the one that the runtime API and so torch use, held while this is.
class PrimaryContext {
  public:
    explicit PrimaryContext(int index)
        : cuda_(CudaDriver::instance().calls()), device_(CudaDriver::instance().device(index)) {
        check("cuDevicePrimaryCtxRetain", cuda_.cuDevicePrimaryCtxRetain(&context_, device_));
    }
    ~PrimaryContext() { cuda_.cuDevicePrimaryCtxRelease(device_); }
    PrimaryContext(const PrimaryContext&) = delete;
    PrimaryContext& operator=(const PrimaryContext&) = delete;

    /// Whether someone made it; nothing is made by asking.
    static bool active(int index) {
        const CudaDriver& driver = CudaDriver::instance();
        unsigned flags = 0;
        int active = 0;
        check("cuDevicePrimaryCtxGetState",
              driver.calls().cuDevicePrimaryCtxGetState(driver.device(index), &flags, &active));
        return active != 0;
    }

    const CudaCalls& cuda() const { return cuda_; }
    CUcontext get() const { return context_; }

  private:
    const CudaCalls& cuda_;
    CUdevice device_;
    CUcontext context_ = nullptr;
};

/// Makes a context current on this thread until the end of the block, where another one was.
class Current {
  public:
    explicit Current(const PrimaryContext& context) : cuda_(context.cuda()) {
        CUcontext current = nullptr;
        check("cuCtxGetCurrent", cuda_.cuCtxGetCurrent(&current));
        if (current == context.get()) return;
        check("cuCtxPushCurrent", cuda_.cuCtxPushCurrent(context.get()));
        pushed_ = true;
    }
    ~Current() {
        CUcontext popped = nullptr;
        if (pushed_) cuda_.cuCtxPopCurrent(&popped);
    }
    Current(const Current&) = delete;
    Current& operator=(const Current&) = delete;

  private:
    const CudaCalls& cuda_;
    bool pushed_ = false;
};

/// Lets this thread make calls that would otherwise break a capture under way in any thread.
class RelaxedCapture {
  public:
    explicit RelaxedCapture(const CudaCalls& cuda)
        : exchange_(cuda.cuThreadExchangeStreamCaptureMode) {
        if (exchange_ && exchange_(&mode_) != SUCCESS) exchange_ = nullptr;
    }
    ~RelaxedCapture() {
        if (exchange_) exchange_(&mode_);
    }
    RelaxedCapture(const RelaxedCapture&) = delete;
    RelaxedCapture& operator=(const RelaxedCapture&) = delete;

  private:
    CUresult (*exchange_)(int*);
    int mode_ = 2;  // CU_STREAM_CAPTURE_MODE_RELAXED
};

}  // namespace assay
