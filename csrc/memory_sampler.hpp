// Bytes in use over time, sampled by a thread that never takes Python's lock.
#pragma once

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "memory_source.hpp"

namespace assay {

/// Bytes over time in bounded memory: once full, two neighbours become one, the larger.
class Timeline {
  public:
    using Point = std::pair<std::int64_t, std::int64_t>;  // ns since the start, bytes
    static constexpr std::size_t MOST = 1 << 14;

    void add(Point point) {
        if (in_last_ == 0 || in_last_ == stride_) {
            if (points_.size() == MOST) halve();
            points_.push_back(point);
            in_last_ = 0;
        } else if (point.second > points_.back().second) {
            points_.back() = point;
        }
        ++in_last_;
    }

    const std::vector<Point>& points() const { return points_; }

  private:
    void halve() {
        for (std::size_t i = 0; i < MOST / 2; ++i) {
            const Point &a = points_[2 * i], &b = points_[2 * i + 1];
            points_[i] = b.second > a.second ? b : a;
        }
        points_.resize(MOST / 2);
        stride_ *= 2;
    }

    std::vector<Point> points_;
    std::int64_t stride_ = 1, in_last_ = 0;
};

/// What a sampler saw.
struct MemorySamples {
    std::string source;  // "cuda", "nvml" or "rss"
    double period_s = 0;
    std::int64_t baseline_bytes = 0, end_bytes = 0, peak_bytes = 0;
    std::vector<std::pair<std::string, std::int64_t>> phases;  // peak of each, in order of marks
    std::vector<Timeline::Point> timeline;
    std::int64_t count = 0, errors = 0;
    std::string error;  // the first
};

/// start(), mark() where a phase begins, stop(): one recording.
class MemorySampler {
  public:
    MemorySampler(std::string source, int device, double period_s)
        : source_name_(std::move(source)), device_(device), period_s_(period_s) {
        if (!(period_s >= 0.0005 && period_s <= 3600)) {
            throw std::invalid_argument("period_s must be in 0.0005..3600, got " +
                                        std::to_string(period_s));
        }
    }
    ~MemorySampler() {
        if (!forked()) {
            end_thread();
        } else {  // the thread is the parent's, and waits on what this would destroy
            new std::thread(std::move(thread_));
            (void)signal_.release();
        }
    }
    MemorySampler(const MemorySampler&) = delete;
    MemorySampler& operator=(const MemorySampler&) = delete;

    /// Takes the baseline, which must succeed; later samples that fail are counted.
    void start() {
        std::lock_guard lock(signal_->mutex);
        if (state_ != State::fresh) {
            throw std::invalid_argument("start() was called before; make another MemorySampler");
        }
        source_ = memory_source(source_name_, device_);
        seen_.source = source_->name();
        seen_.period_s = period_s_;
        seen_.baseline_bytes = seen_.peak_bytes = source_->used_bytes();
        begun_ = Clock::now();
        note(seen_.baseline_bytes);
        state_ = State::running;
        owner_ = getpid();
        sigset_t all, before;  // signals are for Python's own threads
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        thread_ = std::thread([this] { run(); });
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }

    /// From here on samples are of this phase; one is taken at once, for it and the phase before.
    void mark(const std::string& phase) {
        must_be_here();
        std::lock_guard lock(signal_->mutex);
        must_run("mark()");
        std::optional<std::int64_t> bytes = sample();
        auto& phases = seen_.phases;
        auto named = [&](const auto& entry) { return entry.first == phase; };
        auto found = std::find_if(phases.begin(), phases.end(), named);
        phase_ = static_cast<std::size_t>(found - phases.begin());
        if (found == phases.end()) phases.emplace_back(phase, 0);
        if (bytes) phases[*phase_].second = std::max(phases[*phase_].second, *bytes);
    }

    /// Ends the recording; called again, it gives the same.
    MemorySamples stop() {
        must_be_here();
        end_thread();
        std::lock_guard lock(signal_->mutex);
        if (state_ == State::stopped) return seen_;
        must_run("stop()");
        if (auto bytes = sample()) seen_.end_bytes = *bytes;
        seen_.timeline = timeline_.points();
        source_.reset();
        state_ = State::stopped;
        return seen_;
    }

  private:
    using Clock = std::chrono::steady_clock;
    enum class State { fresh, running, stopped };

    bool forked() const { return owner_ != 0 && owner_ != getpid(); }

    void must_be_here() const {
        if (forked()) throw std::invalid_argument("this MemorySampler runs in the parent process");
    }

    void must_run(const char* call) const {
        if (state_ == State::running) return;
        throw std::invalid_argument(std::string(call) + (state_ == State::fresh
                                        ? " comes after start()"
                                        : " comes before stop()"));
    }

    void run() {
        auto period = std::chrono::duration_cast<Clock::duration>(
            std::chrono::duration<double>(period_s_));
        std::unique_lock lock(signal_->mutex);
        auto next = begun_ + period;
        while (!signal_->wake.wait_until(lock, next, [this] { return ending_; })) {
            sample();
            next = std::max(next + period, Clock::now());  // what was missed is not made up for
        }
    }

    /// The mutex is held. A source that fails is counted, and asked again.
    std::optional<std::int64_t> sample() {
        try {
            std::int64_t bytes = source_->used_bytes();
            note(bytes);
            return bytes;
        } catch (const std::exception& error) {
            if (seen_.errors++ == 0) seen_.error = error.what();
            return std::nullopt;
        }
    }

    void note(std::int64_t bytes) {
        ++seen_.count;
        seen_.peak_bytes = std::max(seen_.peak_bytes, bytes);
        if (phase_) {
            auto& peak = seen_.phases[*phase_].second;
            peak = std::max(peak, bytes);
        }
        timeline_.add({std::chrono::nanoseconds(Clock::now() - begun_).count(), bytes});
    }

    void end_thread() {
        std::thread thread;
        {
            std::lock_guard lock(signal_->mutex);
            ending_ = true;
            thread.swap(thread_);
        }
        if (!thread.joinable()) return;
        signal_->wake.notify_all();
        thread.join();
        owner_ = 0;
    }

    struct Signal {
        std::mutex mutex;
        std::condition_variable wake;
    };

    const std::string source_name_;
    const int device_;
    const double period_s_;
    std::unique_ptr<Signal> signal_ = std::make_unique<Signal>();
    bool ending_ = false;
    State state_ = State::fresh;
    std::unique_ptr<MemorySource> source_;
    Clock::time_point begun_;
    std::atomic<pid_t> owner_{0};  // the process whose thread it is, while there is one
    std::optional<std::size_t> phase_;
    MemorySamples seen_;
    Timeline timeline_;
    std::thread thread_;
};

}  // namespace assay
