// The stage functions of journeys.cpp: methods and templates. Nothing in them knows of a profiler.
#pragma once
#include <cstring>

#include "../common/flow.h"

// A call that no optimisation between caller and callee may see through.
#define STAGE __attribute__((noinline, noipa))

namespace journeys {

// At a function's end: it leaves by a return of its own, not by a jump.
inline void keep(const void *pointer) { asm volatile("" : : "r"(pointer) : "memory"); }

// A call within each stage, as real ones have: so stage functions have frames.
STAGE void tally(uint64_t &counter, uint64_t by) {
    counter += by;
    keep(&counter);
}

// One stage call between its two clock readings. What names the record is read before it can change hands.
template <typename F> static inline void call(uint32_t stage, const row &record, const void *object, F stage_call) {
    truth_row *entry = flow_begin(stage, &record, object);
    stage_call();
    truth_end(entry);
}

// What moves records between threads; T is what carries them.
template <typename T> class Channel {
  public:
    explicit Channel(queue *items) : items_(items) {}
    // Q+
    STAGE void put(T *item) {
        tally(puts_, 1);
        queue_put(items_, item);
        keep(this);
    }
    // Q-: books an item that came out.
    STAGE void took(T *item) {
        tally(takes_, 1);
        item->hops += 1;
        keep(item);
    }
    // Q+: row to node; the row is freed before anybody can see the node.
    STAGE void put_by(T *node, row *record) {
        tally(puts_, 1);
        flow_copy(&node->row, record);
        block_give(record);
        queue_put(items_, node);
        keep(this);
    }

  private:
    queue *items_;
    uint64_t puts_ = 0, takes_ = 0;
};

class Source {
  public:
    explicit Source(seat &place) : place_(place) {}
    // S0
    STAGE void emit(row &record) {
        tally(place_.calls, 1);
        record.hops = 1;
        keep(&record);
    }
    void begin();
    row *next(uint64_t seq);
    void run();

  private:
    seat &place_;
};

// What a transform tells of the record that it is at.
class Scope {
  public:
    explicit Scope(seat &place) : place_(place) {}
    // T-: which record it is, it does not say.
    STAGE void done() {
        tally(place_.calls, 1);
        keep(this);
    }
    // Something happens to the record.
    STAGE void note() {
        tally(place_.calls, 2);
        keep(this);
    }
    STAGE void open(row &record) {
        tally(place_.calls, 1);
        record.hops += 1;
        keep(&record);
    }
    STAGE void close() {
        tally(place_.calls, 3);
        keep(this);
    }
    // T-: one of several outputs.
    STAGE void fork(row &child) {
        tally(place_.calls, 1);
        child.hops += 1;
        keep(&child);
    }

  private:
    seat &place_;
};

struct Carrier {
    STAGE static void took(seat &place, node &item) {
        tally(place.calls, 1);
        item.row.hops += 1;
        keep(&item);
    }
    // Node to buffer; the node is freed.
    STAGE static void fill(buffer &to, node &from) {
        tally(from.hops, 1);
        flow_copy(&to.row, &from.row);
        to.bytes = from.row.table_len;
        block_give(&from);
        keep(&to);
    }
};

struct Tasks {
    STAGE static void push(seat &place, row &record) {
        tally(place.calls, 1);
        deque_push(place.number, &record);
        keep(&place);
    }
    STAGE static void pop(seat &place, row &record) {
        tally(place.calls, 1);
        record.hops += 1;
        keep(&record);
    }
    STAGE static void steal(seat &place, row &record, uint32_t victim) {
        tally(place.calls, 1);
        record.hops += victim;
        keep(&record);
    }
};

struct Batches {
    STAGE static void add(batch &to, const row &record) {
        tally(to.sealed, 1);
        flow_copy(&to.rows[to.size++], &record);
        keep(&to);
    }
    STAGE static void merge(batch &big, const batch &small) {
        tally(big.sealed, 1);
        for (uint64_t i = 0; i < small.size; i++)
            flow_copy(&big.rows[big.size++], &small.rows[i]);
        keep(&big);
    }
    STAGE static void seal(seat &place, batch &all) {
        tally(place.calls, 1);
        all.sealed += 1;
        keep(&all);
    }
};

// W!, for whatever a sink writes.
class Sink {
  public:
    explicit Sink(seat &place) : place_(place) {}
    template <typename T> STAGE void written(T &what) {
        tally(place_.calls, 1);
        sink_write(&what, 64);
        keep(&what);
    }
    // 0, or what is wrong.
    STAGE int write(row &record) {
        tally(place_.calls, 1);
        int result = flow_fault(&record) == FAULT_RETURNED ? 5 : 0;
        keep(&record);
        return result;
    }
    STAGE void error(row &record) {
        tally(place_.calls, 1);
        record.hops += 1;
        keep(&record);
    }

  private:
    seat &place_;
};

// The drop point. Records that were written go another way.
STAGE void free_row(row *record) {
    tally(record->hops, 1);
    block_give(record);
    keep(record);
}

struct Pipe {
    STAGE static void put(seat &place, const row &record) {
        tally(place.calls, 1);
        pipe_send(&record);
        keep(&record);
    }
    STAGE static void took(seat &place, row &record) {
        tally(place.calls, 1);
        record.hops += 1;
        keep(&record);
    }
};

} // namespace journeys
