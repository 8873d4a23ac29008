// NVML, opened at run time as the driver is: memory in use, clock and throttling of a device.
//
// It needs no context and makes none. ASSAY_LIBNVML_PATH names another file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "cuda_driver.hpp"
#include "library.hpp"

namespace assay {

/// NVML of this process, or the reason why there is none.
class Nvml {
  public:
    static const Nvml& instance() {
        static const auto* nvml = new Nvml;
        return *nvml;
    }

    bool available() const { return reason_.empty(); }
    const std::string& reason() const { return reason_; }

    /// Bytes in use on a device, by whomever.
    std::int64_t used_bytes(int index) const { return used_bytes(handle(index)); }

    /// MHz of the multiprocessors; nothing where the device does not tell.
    std::optional<unsigned> clock_mhz(int index) const {
        unsigned mhz = 0;
        Handle device = handle(index);
        return told("nvmlDeviceGetClockInfo", clock_(device, SM_CLOCK, &mhz))
                   ? std::optional(mhz) : std::nullopt;
    }

    /// Whether power, temperature or a slowdown holds the clocks down; nothing where not told.
    std::optional<bool> throttled(int index) const {
        unsigned long long reasons = 0;
        Handle device = handle(index);
        return told("nvmlDeviceGetCurrentClocksThrottleReasons", reasons_(device, &reasons))
                   ? std::optional((reasons & HELD_DOWN) != 0) : std::nullopt;
    }

    using Handle = struct NvmlDeviceOpaque*;

    /// The device that CUDA numbers so: found by its place on the bus, since the numbers of NVML
    /// know nothing of CUDA_VISIBLE_DEVICES.
    Handle handle(int index) const {
        if (!available()) throw DriverError("no NVML: " + reason_);
        const CudaDriver& driver = CudaDriver::instance();
        char place[32] = "";
        check("cuDeviceGetPCIBusId",
              driver.calls().cuDeviceGetPCIBusId(place, sizeof place, driver.device(index)));
        Handle device = nullptr;
        check_nvml("nvmlDeviceGetHandleByPciBusId_v2", by_place_(place, &device));
        return device;
    }

    std::int64_t used_bytes(Handle device) const {
        if (memory2_) {
            Memory2 memory{};
            memory.version = sizeof(Memory2) | 2u << 24;
            check_nvml("nvmlDeviceGetMemoryInfo_v2", memory2_(device, &memory));
            return static_cast<std::int64_t>(memory.used);
        }
        Memory memory{};
        check_nvml("nvmlDeviceGetMemoryInfo", memory_(device, &memory));
        return static_cast<std::int64_t>(memory.used);
    }

  private:
    static constexpr int NOT_SUPPORTED = 3, SM_CLOCK = 1;
    // software power cap, hardware slowdown, sync boost, the two thermal slowdowns, power brake
    static constexpr unsigned long long HELD_DOWN = 0x4 | 0x8 | 0x10 | 0x20 | 0x40 | 0x80;

    struct Memory {
        unsigned long long total, free, used;
    };
    struct Memory2 {  // tells what the driver reserves apart
        unsigned version;
        unsigned long long total, reserved, free, used;
    };

    Nvml() {
        try {
            library_.emplace("ASSAY_LIBNVML_PATH", "libnvidia-ml.so.1");
            text_ = library_->resolve<const char*(int)>("nvmlErrorString");
            by_place_ = library_->resolve<int(const char*, Handle*)>(
                "nvmlDeviceGetHandleByPciBusId_v2");
            memory_ = library_->resolve<int(Handle, Memory*)>("nvmlDeviceGetMemoryInfo");
            memory2_ = library_->find<int(Handle, Memory2*)>("nvmlDeviceGetMemoryInfo_v2");
            clock_ = library_->resolve<int(Handle, int, unsigned*)>("nvmlDeviceGetClockInfo");
            reasons_ = library_->resolve<int(Handle, unsigned long long*)>(
                "nvmlDeviceGetCurrentClocksThrottleReasons");
            check_nvml("nvmlInit_v2", library_->resolve<int()>("nvmlInit_v2")());
        } catch (const std::exception& error) {
            reason_ = error.what();
        }
    }

    void check_nvml(const char* call, int code) const {
        if (code == 0) return;
        const char* meaning = text_(code);
        throw DriverError(std::string(call) + " returned " + std::to_string(code) + ", " +
                          (meaning ? meaning : "unknown NVML error"));
    }

    bool told(const char* call, int code) const {
        if (code == NOT_SUPPORTED) return false;
        check_nvml(call, code);
        return true;
    }

    std::optional<Library> library_;
    std::string reason_;
    const char* (*text_)(int) = nullptr;
    int (*by_place_)(const char*, Handle*) = nullptr;
    int (*memory_)(Handle, Memory*) = nullptr;
    int (*memory2_)(Handle, Memory2*) = nullptr;
    int (*clock_)(Handle, int, unsigned*) = nullptr;
    int (*reasons_)(Handle, unsigned long long*) = nullptr;
};

}  // namespace assay
