// Durations in integer buckets, 1,024 an octave: counts add exactly over threads, ranks and runs.
//
// Below 2,048 ns a bucket is a nanosecond; above, 2^e of them, and the middle of a bucket is within
// 0.05 % of everything in it. assay/ops/durations.py has the same definition for arrays.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <memory>

namespace assay {

inline std::uint32_t bucket_of(std::int64_t ns) {
    auto value = static_cast<std::uint64_t>(ns);
    if (value < 2048) return static_cast<std::uint32_t>(value);
    unsigned shift = 53 - static_cast<unsigned>(__builtin_clzll(value));  // bit length - 11
    return (shift << 10) + static_cast<std::uint32_t>(value >> shift);
}

/// Counts by bucket, a page of them an octave where there are any.
class Histogram {
  public:
    void add(std::int64_t ns) {
        std::uint32_t bucket = bucket_of(ns);
        auto& page = pages_[bucket >> 10];
        if (!page) page = std::make_unique<Page>();
        ++(*page)[bucket & 1023];
    }

    template <class Visit>  // visit(bucket, count), in order
    void each(Visit visit) const {
        for (std::size_t page = 0; page < pages_.size(); ++page) {
            if (!pages_[page]) continue;
            for (std::size_t i = 0; i < 1024; ++i) {
                if (std::int64_t count = (*pages_[page])[i]) visit(page << 10 | i, count);
            }
        }
    }

  private:
    using Page = std::array<std::int64_t, 1024>;
    std::array<std::unique_ptr<Page>, 54> pages_;  // of 63 bits
};

/// What is kept of many durations.
struct Tally {
    std::int64_t total = 0;
    std::int64_t shortest = std::numeric_limits<std::int64_t>::max();
    std::int64_t longest = -1;
    Histogram histogram;

    void add(std::int64_t ns) {
        total += ns;
        shortest = std::min(shortest, ns);
        longest = std::max(longest, ns);
        histogram.add(ns);
    }
};

}  // namespace assay
