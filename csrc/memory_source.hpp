// Where bytes in use are read: of a device, or of this process.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>

#include "cuda_driver.hpp"
#include "nvml.hpp"

namespace assay {

class MemorySource {
  public:
    virtual ~MemorySource() = default;
    virtual const char* name() const = 0;
    virtual std::int64_t used_bytes() = 0;
};

/// What this process has resident.
class ProcessMemory final : public MemorySource {
  public:
    ProcessMemory() : file_(open("/proc/self/statm", O_RDONLY | O_CLOEXEC)) {
        if (file_ < 0) throw DriverError(std::string("/proc/self/statm: ") + strerror(errno));
    }
    ~ProcessMemory() override { close(file_); }
    ProcessMemory(const ProcessMemory&) = delete;
    ProcessMemory& operator=(const ProcessMemory&) = delete;

    const char* name() const override { return "rss"; }
    std::int64_t used_bytes() override {
        char text[128] = "";
        ssize_t size = pread(file_, text, sizeof text - 1, 0);
        const char* second = size > 0 ? std::strchr(text, ' ') : nullptr;
        if (!second) throw DriverError("/proc/self/statm cannot be read");
        return std::strtoll(second, nullptr, 10) * page_;
    }

  private:
    int file_;
    std::int64_t page_ = sysconf(_SC_PAGESIZE);
};

/// What everyone uses of a device, from the driver; holds the primary context.
class DriverMemory final : public MemorySource {
  public:
    explicit DriverMemory(int device) : context_(device) {}
    const char* name() const override { return "cuda"; }
    std::int64_t used_bytes() override {
        std::size_t free = 0, total = 0;
        RelaxedCapture relaxed(context_.cuda());
        Current current(context_);
        check("cuMemGetInfo", context_.cuda().cuMemGetInfo(&free, &total));
        return static_cast<std::int64_t>(total - free);
    }

  private:
    PrimaryContext context_;
};

/// The same from NVML, which needs no context.
class NvmlMemory final : public MemorySource {
  public:
    explicit NvmlMemory(int device) : device_(Nvml::instance().handle(device)) {}
    const char* name() const override { return "nvml"; }
    std::int64_t used_bytes() override { return Nvml::instance().used_bytes(device_); }

  private:
    Nvml::Handle device_;
};

/// "rss", or "device": of the driver where someone has made the device's primary context, else of
/// NVML, since a context made to measure memory would take hundreds of megabytes of it.
inline std::unique_ptr<MemorySource> memory_source(const std::string& name, int device) {
    if (name == "rss") return std::make_unique<ProcessMemory>();
    if (name != "device") {
        throw std::invalid_argument("source must be 'device' or 'rss', got '" + name + "'");
    }
    if (PrimaryContext::active(device)) return std::make_unique<DriverMemory>(device);
    return std::make_unique<NvmlMemory>(device);
}

}  // namespace assay
