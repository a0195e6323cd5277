// The pipeline of c/pipeline.c in C++: classes, a namespace and templates, so that stage points are mangled names and
// one stage of the worker is several functions (one for each kind of transform).
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "../common/harness.h"

// A call that no optimisation between caller and callee may see through.
#define STAGE __attribute__((noinline, noipa))

namespace flow {

// A call within each stage, as real ones have: so stage functions have frames.
STAGE void tally(std::atomic<uint64_t> &counter, uint64_t by) { counter.fetch_add(by, std::memory_order_relaxed); }

inline void keep(const void *pointer) { asm volatile("" : : "r"(pointer) : "memory"); }

struct Head { uint64_t magic, uid; };

struct Record {
    Record *link;      //  0
    uint64_t seq;      //  8: number at its source, from 1
    uint64_t source;   // 16
    uint64_t uid;      // 24: source << 40 | seq
    Head *head;        // 32
    uint32_t len, hops;
    Head own_head;     // 48
    char payload[64];  // 64
};
static_assert(sizeof(Record) == 128, "specs name these offsets");

class Pool {
  public:
    Record *allocate() {
        std::lock_guard<std::mutex> guard(lock_);
        Record *record = top_;
        if (record)
            top_ = record->link;
        return record;
    }
    void release(Record *record) {
        std::lock_guard<std::mutex> guard(lock_);
        record->link = top_;
        top_ = record;
    }

  private:
    std::mutex lock_;
    Record *top_ = nullptr;
};

static Pool pools[MAX_SOURCES];

static Pool &pool_of(uint64_t source) { return pools[options.reuse == REUSE_OWNER ? source : 0]; }

static Record *allocate(uint32_t source) {
    Record *record = options.reuse == REUSE_MALLOC ? nullptr : pool_of(source).allocate();
    return record ? record : static_cast<Record *>(::operator new(sizeof(Record)));
}

static void release(Record *record) {
    if (options.reuse == REUSE_MALLOC)
        ::operator delete(record);
    else
        pool_of(record->source).release(record);
}

template <typename T> class Queue {
  public:
    explicit Queue(size_t capacity) : capacity_(capacity) {}
    // Q+
    STAGE void put(T *item) {
        tally(puts_, 1);
        item->hops += 1;
        push(item);
    }
    // The next item, or null when the queue is empty and closed.
    STAGE T *pop() {
        T *item = next();
        asm volatile("" : : "r"(item) : "memory"); /* no tail call: a function that leaves by a jump has no return of its own */
        return item;
    }
    // Q-: books an item that came out.
    STAGE void take(T *item) {
        tally(takes_, 1);
        item->hops += 1;
        keep(item);
    }
    void push(T *item) {
        std::unique_lock<std::mutex> guard(lock_);
        not_full_.wait(guard, [this] { return items_.size() < capacity_; });
        items_.push_back(item);
        if (items_.size() == 1)
            not_empty_.notify_all();
    }
    T *next() {
        std::unique_lock<std::mutex> guard(lock_);
        not_empty_.wait(guard, [this] { return closed_ || !items_.empty(); });
        if (items_.empty())
            return nullptr;
        T *item = items_.front();
        items_.pop_front();
        if (items_.size() == capacity_ / 2)
            not_full_.notify_all();
        return item;
    }
    void close() {
        std::lock_guard<std::mutex> guard(lock_);
        closed_ = true;
        not_empty_.notify_all();
    }

  private:
    const size_t capacity_;
    std::mutex lock_;
    std::condition_variable not_empty_, not_full_;
    std::deque<T *> items_;
    std::atomic<uint64_t> puts_{0}, takes_{0};
    bool closed_ = false;
};

// One stage call between its two clock readings. What names the record is read before it can change hands.
template <typename F> static inline void call(uint32_t stage, Record *record, F stage_call) {
    truth_row *row = truth_begin(stage, static_cast<uint32_t>(record->source), record->seq, record);
    stage_call();
    truth_end(row);
}

// The drop point. Records that were written go another way.
STAGE void free_record(Record *record) {
    record->hops = 0;
    release(record);
}

static void drop(Record *record) {
    count_dropped(static_cast<uint32_t>(record->source));
    if (!options.drop_silent) {
        call(TRUTH_FREE, record, [=] { free_record(record); });
        return;
    }
    truth_call(TRUTH_SILENT, static_cast<uint32_t>(record->source), record->seq, record, truth_before());
    release(record);
}

class Source {
  public:
    Source(uint32_t number, Queue<Record> &out) : number_(number), out_(out) {}
    // S0
    STAGE void emit(Record *record) {
        tally(emitted_, 1);
        record->hops = 1;
        keep(record);
    }
    void run() {
        harness_source(number_);
        harness_await_go();
        for (uint64_t seq = 1; harness_next(seq - 1); seq++) {
            Record *record = make(seq);
            call(TRUTH_S0, record, [=] { emit(record); });
            count_emitted(number_);
            if (harness_drop(number_, seq) == DROP_AT_SOURCE)
                drop(record);
            else
                call(TRUTH_PUT, record, [=] { out_.put(record); });
        }
    }

  private:
    Record *make(uint64_t seq) {
        Record *record = allocate(number_);
        record->seq = seq;
        record->source = number_;
        record->uid = static_cast<uint64_t>(number_) << 40 | seq;
        record->own_head = Head{0x5EEDF00D, record->uid};
        record->head = &record->own_head;
        record->len = sizeof record->payload;
        std::memset(record->payload, 'a' + static_cast<int>(seq % 26), sizeof record->payload);
        return record;
    }
    const uint32_t number_;
    Queue<Record> &out_;
    std::atomic<uint64_t> emitted_{0};
};

struct Upper {
    static void apply(char &byte) { byte = static_cast<char>(byte ^ 0x20); }
    static constexpr uint64_t weight = 1;
};
struct Rotate {
    static void apply(char &byte) { byte = static_cast<char>('a' + (byte - 'a' + 13) % 26); }
    static constexpr uint64_t weight = 3;
};

template <typename Kind> class Transform {
  public:
    // T+
    STAGE void enter(Record &record) {
        tally(entered_, Kind::weight);
        current_ = &record;
        keep(&record);
    }
    // T-
    STAGE void done(Record &record) {
        tally(done_, Kind::weight);
        current_ = nullptr;
        record.hops += 1;
        keep(&record);
    }
    void run(Queue<Record> &in, Queue<Record> &out) {
        for (;;) {
            uint64_t before_ns = truth_before();
            Record *record = in.pop();
            if (!record)
                return;
            truth_call(TRUTH_POP, static_cast<uint32_t>(record->source), record->seq, record, before_ns);
            call(TRUTH_TAKE, record, [&] { in.take(record); });
            if (apply(record, harness_drop(static_cast<uint32_t>(record->source), record->seq)))
                out.push(record);
        }
    }

  private:
    bool apply(Record *record, drop_place place) {
        call(TRUTH_ENTER, record, [=] { enter(*record); });
        for (uint32_t i = 0; i < record->len; i++)
            Kind::apply(record->payload[i]);
        busy(options.work_ns);
        if (place == DROP_AFTER_ENTER)
            return drop(record), false;
        call(TRUTH_DONE, record, [=] { done(*record); });
        if (place == DROP_AFTER_DONE)
            return drop(record), false;
        return true;
    }
    std::atomic<uint64_t> entered_{0}, done_{0};
    Record *current_ = nullptr;
};

class Sink {
  public:
    // W!
    STAGE void written(Record &record, uint64_t bytes) {
        tally(records_, 1);
        bytes_ += bytes;
        keep(&record);
    }
    void run(Queue<Record> &in) {
        while (Record *record = in.next()) {
            sink_write(record->payload, record->len);
            call(TRUTH_WRITTEN, record, [=] { written(*record, record->len); });
            count_written(static_cast<uint32_t>(record->source));
            release(record);
        }
    }

  private:
    std::atomic<uint64_t> records_{0};
    uint64_t bytes_ = 0;
};

} // namespace flow

int main(int argc, char **argv) {
    harness_start(argc, argv);
    if (options.fault_keys)
        harness_unsupported("--fault-keys");
    flow::Queue<flow::Record> work(options.queue), output(options.queue);
    flow::Sink sink;
    std::thread sink_thread([&] { sink.run(output); });
    std::vector<std::thread> workers, sources;
    for (uint64_t i = 0; i < options.workers; i++)
        workers.emplace_back([&, i] {
            if (i % 2 == 0)
                flow::Transform<flow::Upper>().run(work, output);
            else
                flow::Transform<flow::Rotate>().run(work, output);
        });
    for (uint32_t i = 0; i < options.sources; i++)
        sources.emplace_back([&, i] { flow::Source(i, work).run(); });
    harness_ready();
    for (auto &thread : sources)
        thread.join();
    work.close();
    for (auto &thread : workers)
        thread.join();
    output.close();
    sink_thread.join();
    harness_finish();
    return 0;
}
