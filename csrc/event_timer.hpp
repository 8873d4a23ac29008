// Times on a device, between two events that are recorded on the caller's own stream.
//
// Events come from a pool and are read when somebody asks, with cuEventElapsedTime, which tells
// what is not there yet: nothing here waits for the device. What cannot be timed is counted.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "cuda_driver.hpp"

namespace assay {

/// What an EventTimer counts.
struct EventCounts {
    std::int64_t lost = 0;     // pairs that a failed call cost
    std::int64_t skipped = 0;  // pairs in a stream capture, where nothing runs
    std::int64_t grown = 0;    // times that every pair was in use and more were made
    std::int64_t pending = 0;  // pairs whose end the device has not reached
    std::int64_t pairs = 0;
    std::string error;  // of the first that was lost
};

/// An event, made in the context that is current. Move-only.
class Event {
  public:
    explicit Event(const CudaCalls& cuda) : cuda_(&cuda) {
        check("cuEventCreate", cuda.cuEventCreate(&event_, 0));  // 0: with times
    }
    ~Event() {
        if (event_) cuda_->cuEventDestroy(event_);
    }
    Event(Event&& other) noexcept
        : cuda_(other.cuda_), event_(std::exchange(other.event_, nullptr)) {}
    Event& operator=(Event&&) = delete;

    CUevent get() const { return event_; }

  private:
    const CudaCalls* cuda_;
    CUevent event_ = nullptr;
};

template <class Mutex>
class BasicEventTimer {
  public:
    using Ticket = std::uint64_t;  // 0: nothing was recorded, and it was counted why
    struct Finished {
        Ticket ticket;
        void* tag;
        std::int64_t ns;
    };

    explicit BasicEventTimer(int device) : context_(device), cuda_(context_.cuda()) {
        RelaxedCapture relaxed(cuda_);
        Current current(context_);
        try {
            for (std::size_t i = 0; i < FIRST; ++i) free_.push_back(new_slot());
        } catch (...) {
            slots_.clear();  // while the context is current
            throw;
        }
    }

    ~BasicEventTimer() {
        try {
            RelaxedCapture relaxed(cuda_);
            Current current(context_);
            slots_.clear();
        } catch (const DriverError&) {  // the device is gone, and the events with it
        }
    }
    BasicEventTimer(const BasicEventTimer&) = delete;
    BasicEventTimer& operator=(const BasicEventTimer&) = delete;

    /// Records the start of a pair.
    Ticket start(CUstream stream) {
        std::lock_guard lock(mutex_);
        if (!can_record(stream) || !has_free()) return 0;
        std::uint32_t index = free_.back();
        Slot& slot = slots_[index];
        if (!record(slot.start, stream)) return 0;
        free_.pop_back();
        slot.state = State::open;
        return static_cast<Ticket>(slot.use) << 32 | (index + 1);
    }

    /// Records its end. Returns how many finished pairs wait to be taken.
    std::size_t stop(Ticket ticket, CUstream stream, void* tag = nullptr) {
        std::lock_guard lock(mutex_);
        if (ticket == 0) return finished_.size();
        std::uint32_t index = index_of(ticket);
        Slot& slot = slots_[index];
        if (!can_record(stream) || !record(slot.stop, stream)) {
            release(index);
            return finished_.size();
        }
        slot.state = State::pending;
        slot.stream = stream;
        slot.tag = tag;
        pending_.push_back(index);
        return finished_.size();
    }

    /// Gives a pair back that has a start and no end worth timing.
    void abandon(Ticket ticket) {
        std::lock_guard lock(mutex_);
        if (ticket) release(index_of(ticket));
    }

    /// Counts a pair that could not be asked for.
    void lose(const std::string& why) {
        std::lock_guard lock(mutex_);
        lost(why);
    }

    /// The pairs that the device has finished since the last call.
    std::vector<Finished> read() {
        std::lock_guard lock(mutex_);
        collect();
        return std::exchange(finished_, {});
    }

    /// Those of them that are known to be finished; no driver call.
    std::vector<Finished> take() {
        std::lock_guard lock(mutex_);
        return std::exchange(finished_, {});
    }

    /// Forgets what was counted and what is not read; pairs that are open stay.
    void reset() {
        std::lock_guard lock(mutex_);
        finished_.clear();
        counts_ = {};
        for (std::uint32_t index : pending_) slots_[index].forgotten = true;
    }

    EventCounts counts() const {
        std::lock_guard lock(mutex_);
        EventCounts counts = counts_;
        counts.pairs = static_cast<std::int64_t>(slots_.size());
        counts.pending = static_cast<std::int64_t>(
            std::count_if(pending_.begin(), pending_.end(),
                          [&](std::uint32_t index) { return !slots_[index].forgotten; }));
        return counts;
    }

  private:
    static constexpr std::size_t FIRST = 32, MOST = 1u << 22;

    enum class State { free, open, pending };
    struct Slot {
        explicit Slot(const CudaCalls& cuda) : start(cuda), stop(cuda) {}

        Event start, stop;
        std::uint32_t use = 0;  // how often it was used: tickets of other uses are refused
        State state = State::free;
        CUstream stream = nullptr;
        void* tag = nullptr;
        bool forgotten = false;
    };

    std::uint32_t new_slot() {
        slots_.emplace_back(cuda_);
        return static_cast<std::uint32_t>(slots_.size() - 1);
    }

    std::uint32_t index_of(Ticket ticket) const {
        std::uint64_t index = (ticket & 0xFFFFFFFF) - 1;
        if (index >= slots_.size() || slots_[index].use != ticket >> 32 ||
            slots_[index].state != State::open) {
            throw std::invalid_argument("ticket " + std::to_string(ticket) +
                                        " was not given by start(), or was stopped already");
        }
        return static_cast<std::uint32_t>(index);
    }

    void release(std::uint32_t index) {
        Slot& slot = slots_[index];
        slot.state = State::free;
        slot.forgotten = false;
        slot.use = (slot.use + 1) & 0x7FFFFFFF;  // a ticket fits a signed integer
        free_.push_back(index);
    }

    void lost(const std::string& why, std::int64_t pairs = 1) {
        if (counts_.error.empty()) counts_.error = why;
        counts_.lost += pairs;
    }

    bool can_record(CUstream stream) {
        int status = 0;
        CUresult code = cuda_.cuStreamIsCapturing(stream, &status);
        if (code == SUCCESS && status == 0) return true;
        if (code == SUCCESS || code == CAPTURE_IMPLICIT) {
            ++counts_.skipped;
        } else {
            lost(CudaError("cuStreamIsCapturing", code).what());
        }
        return false;
    }

    /// Null, 1 and 2 name a stream of the current context, which need not be the events' own.
    bool record(const Event& event, CUstream stream) {
        CUresult code = SUCCESS;
        try {
            if (reinterpret_cast<std::uintptr_t>(stream) <= 2) {
                Current current(context_);
                code = cuda_.cuEventRecord(event.get(), stream);
            } else {
                code = cuda_.cuEventRecord(event.get(), stream);
            }
            check("cuEventRecord", code);
            return true;
        } catch (const DriverError& error) {
            lost(error.what());
            return false;
        }
    }

    /// A free pair: one that has finished, or, where the device is far behind, a new one.
    bool has_free() {
        if (!free_.empty()) return true;
        collect();
        if (free_.size() * 4 >= slots_.size()) return true;
        try {
            if (slots_.size() >= MOST) throw DriverError("4,194,304 event pairs are in use");
            RelaxedCapture relaxed(cuda_);
            Current current(context_);
            ++counts_.grown;
            for (std::size_t more = slots_.size(); more > 0; --more) free_.push_back(new_slot());
        } catch (const DriverError& error) {
            if (free_.empty()) lost(error.what());
        }
        return !free_.empty();
    }

    /// Reads what has finished. On one stream nothing finishes before what was recorded earlier,
    /// so a stream is asked no further once it is not ready.
    void collect() {
        if (pending_.empty()) return;
        RelaxedCapture relaxed(cuda_);
        try {
            Current current(context_);
            std::vector<CUstream> behind;
            std::size_t kept = 0;
            for (std::uint32_t index : pending_) {
                if (!settle(index, behind)) pending_[kept++] = index;
            }
            pending_.resize(kept);
        } catch (const DriverError& error) {
            lost(error.what(), static_cast<std::int64_t>(pending_.size()));
            for (std::uint32_t index : pending_) release(index);
            pending_.clear();
        }
    }

    /// Whether a pair is done with: read, or lost.
    bool settle(std::uint32_t index, std::vector<CUstream>& behind) {
        Slot& slot = slots_[index];
        if (std::find(behind.begin(), behind.end(), slot.stream) != behind.end()) return false;
        float ms = 0;
        CUresult code = cuda_.cuEventElapsedTime(&ms, slot.start.get(), slot.stop.get());
        if (code == NOT_READY) {
            behind.push_back(slot.stream);
            return false;
        }
        if (code != SUCCESS) {
            if (!slot.forgotten) lost(CudaError("cuEventElapsedTime", code).what());
        } else if (!slot.forgotten) {
            Ticket ticket = static_cast<Ticket>(slot.use) << 32 | (index + 1);
            auto ns = std::llround(std::max(0.0, static_cast<double>(ms) * 1e6));
            finished_.push_back({ticket, slot.tag, ns});
        }
        release(index);
        return true;
    }

    PrimaryContext context_;
    const CudaCalls& cuda_;
    mutable Mutex mutex_;
    std::vector<Slot> slots_;
    std::vector<std::uint32_t> free_;
    std::vector<std::uint32_t> pending_;  // in the order their ends were recorded
    std::vector<Finished> finished_;
    EventCounts counts_;
};

using EventTimer = BasicEventTimer<std::mutex>;

}  // namespace assay
