// Named scopes, nested: how long each took, by the path of names that led to it.
//
// A thread has a stack of its own; what is counted is of all threads. Callers hold the
// interpreter's lock, or where it has none, one of their own.
#pragma once

#include <time.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "histogram.hpp"

// What a scope reads of its thread is looked up twice a scope: a call each time in a library that
// is loaded late, unless it asks for a place in the block of the thread, which glibc keeps some of.
#ifdef __GLIBC__
#define ASSAY_NEAR_TLS __attribute__((tls_model("initial-exec")))
#else
#define ASSAY_NEAR_TLS
#endif

namespace assay {

/// The clock of Python's perf_counter_ns.
inline std::int64_t now_ns() {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * std::int64_t{1'000'000'000} + now.tv_nsec;
}

/// The scopes of one path.
struct Node {
    Node(Node* parent, std::string name) : parent(parent), name(std::move(name)) {}

    Node* child(const std::string& wanted) {
        for (auto& node : children) {
            if (node->name == wanted) return node.get();
        }
        children.push_back(std::make_unique<Node>(this, wanted));
        return children.back().get();
    }

    std::string path() const {
        return parent && parent->parent ? parent->path() + "/" + name : name;
    }

    Node* parent;
    std::string name;
    Tally host, device;
    std::int64_t failed = 0;    // left by an exception; not in the times
    std::int64_t unclosed = 0;  // never left: one around it was
    std::int64_t open = 0;
    std::vector<std::unique_ptr<Node>> children;

    bool anything() const {
        return host.longest >= 0 || device.longest >= 0 || failed || unclosed || open;
    }
};

/// A copy of what was counted of one path.
struct Row {
    struct Times {
        explicit Times(const Tally& tally)
            : total(tally.total), shortest(tally.shortest), longest(tally.longest) {
            tally.histogram.each([&](std::size_t bucket, std::int64_t count) {
                counts.emplace_back(bucket, count);
            });
        }
        std::int64_t total, shortest, longest;
        std::vector<std::pair<std::size_t, std::int64_t>> counts;
    };

    std::string path;
    Times host, device;
    std::int64_t failed, left_open;
};

/// A name, and the node it had last: under one parent that is always the same.
struct Scope {
    std::string name;
    Node* parent = nullptr;
    Node* node = nullptr;
    std::int64_t closed_early = 0;  // by the end of one around it; its own end is still to come
};

struct Frame {
    Scope* scope;
    Node* node;
    std::uint64_t ticket;
    std::int64_t start;
};
using Stack = std::vector<Frame>;

class ScopeTree {
  public:
    static constexpr std::size_t DEEPEST = 1000;

    ScopeTree() : root_(nullptr, "") {}
    ScopeTree(const ScopeTree&) = delete;
    ScopeTree& operator=(const ScopeTree&) = delete;

    /// This thread's open scopes.
    Stack& stack() const {
        struct Last {
            std::uint64_t tree;
            Stack* stack;
        };
        static thread_local ASSAY_NEAR_TLS Last last{0, nullptr};
        if (last.tree != id_) last = {id_, &find_stack(id_)};
        return *last.stack;
    }

    /// Opens a scope; the clock is read last. False where too many are open.
    bool enter(Scope& scope, std::uint64_t ticket) {
        Stack& open = stack();
        if (open.size() >= DEEPEST) return false;
        Node* parent = open.empty() ? &root_ : open.back().node;
        if (scope.parent != parent) {
            scope.node = parent->child(scope.name);
            scope.parent = parent;
        }
        ++scope.node->open;
        open.push_back({&scope, scope.node, ticket, 0});
        open.back().start = now_ns();
        return true;
    }

    /// Closes a scope that ended at a time; none where this thread has not entered it.
    /// What was opened in it and not closed is closed with it, counted, and told to `dropped`;
    /// when the end of such a one comes, as of a generator's, it has no node.
    template <class Dropped>
    std::optional<Frame> exit(Scope& scope, std::int64_t end, bool failed, Dropped dropped) {
        Stack& open = stack();
        if (open.empty() || open.back().scope != &scope) {
            std::size_t place = open.size();
            while (place > 0 && open[place - 1].scope != &scope) --place;
            if (place == 0) {
                if (scope.closed_early == 0) return std::nullopt;
                --scope.closed_early;
                return Frame{&scope, nullptr, 0, 0};
            }
            for (; open.size() > place; open.pop_back()) {
                --open.back().node->open;
                ++open.back().node->unclosed;
                ++open.back().scope->closed_early;
                dropped(open.back());
            }
        }
        Frame frame = open.back();
        open.pop_back();
        --frame.node->open;
        if (failed) {
            ++frame.node->failed;
        } else {
            frame.node->host.add(end - frame.start);
        }
        return frame;
    }

    /// Forgets what was counted; a scope that is open counts whole when it ends.
    void reset() {
        each(root_, [](Node& node) {
            node.host = {};
            node.device = {};
            node.failed = node.unclosed = 0;
        });
    }

    /// What there is of every path, a parent before what is in it.
    std::vector<Row> rows() {
        std::vector<Row> rows;
        each(root_, [&](const Node& node) {
            if (!node.anything()) return;
            rows.push_back({node.path(), Row::Times(node.host), Row::Times(node.device),
                            node.failed, node.unclosed + node.open});
        });
        return rows;
    }

    /// Paths of the scopes that are open.
    std::vector<std::string> open() {
        std::vector<std::string> paths;
        each(root_, [&](const Node& node) {
            if (node.open) paths.push_back(node.path());
        });
        return paths;
    }

  private:
    template <class Visit>
    static void each(Node& node, Visit visit) {
        for (auto& child : node.children) {
            visit(*child);
            each(*child, visit);
        }
    }

    static Stack& find_stack(std::uint64_t id) {
        thread_local std::vector<std::pair<std::uint64_t, std::unique_ptr<Stack>>> stacks;
        for (auto& [tree, stack] : stacks) {
            if (tree == id) return *stack;
        }
        auto idle = [](const auto& entry) { return entry.second->empty(); };
        stacks.erase(std::remove_if(stacks.begin(), stacks.end(), idle), stacks.end());
        stacks.emplace_back(id, std::make_unique<Stack>());
        return *stacks.back().second;
    }

    static std::uint64_t next_id() {
        static std::atomic<std::uint64_t> next{1};
        return next++;
    }

    const std::uint64_t id_ = next_id();
    Node root_;
};

}  // namespace assay
