// The pipelines of c/journeys.c in C++: methods, templates, and exceptions that leave transforms. What becomes of each record is
// the same in all languages (common/flow.h).
#include "nested.hpp"

namespace journeys {

// ---- sources and sinks ----

static void send_on(seat &place, row *record) {
    if (options.scenario == SEND) {
        call(TRUTH_SEND, *record, record, [&] { Pipe::put(place, *record); });
        block_give(record);
    } else if (options.scenario == HANDOVER) {
        auto *item = static_cast<node *>(block_take());
        call(TRUTH_NODE_PUT, *record, record, [&] { Channel<node>(place.out).put_by(item, record); });
    } else {
        put(place, record);
    }
}

row *Source::next(uint64_t seq) {
    row *record = flow_row(place_.number, seq);
    call(TRUTH_S0, *record, record, [&] { emit(*record); });
    count_emitted(place_.number);
    return record;
}

void Source::begin() {
    harness_source(place_.number);
    harness_await_go();
}

void Source::run() {
    begin();
    for (uint64_t seq = 1; harness_next(seq - 1); seq++)
        send_on(place_, next(seq));
}

static void run_sink(seat *place) {
    while (auto *record = static_cast<row *>(queue_get(place->in)))
        write_row(*place, record);
}

static void run_receiver(seat *place) {
    harness_await_go();
    for (row *record; pipe_receive(record = static_cast<row *>(block_take()));) {
        call(TRUTH_RECEIVE, *record, record, [&] { Pipe::took(*place, *record); });
        write_row(*place, record);
    }
}

// ---- hand-over ----

static void run_carrier(seat *place) {
    while (auto *item = static_cast<node *>(queue_get(place->in))) {
        call(TRUTH_NODE_TAKE, item->row, item, [&] { Carrier::took(*place, *item); });
        if (flow_vanishes(&item->row)) {
            over(TRUTH_SILENT, &item->row);
            continue;
        }
        auto *filled = static_cast<buffer *>(block_take());
        call(TRUTH_BUFFER_FILL, item->row, item, [&] { Carrier::fill(*filled, *item); });
        queue_put(place->out, filled);
    }
}

static void run_buffer_sink(seat *place) {
    while (auto *item = static_cast<buffer *>(queue_get(place->in))) {
        call(TRUTH_BUFFER_WRITTEN, item->row, item, [&] { Sink(*place).written(*item); });
        count_written(source_of(item->row));
        block_give(item);
    }
}

// ---- filters ----

static filter filtered(seat &place, row &record) {
    filter verdict = flow_filter(&record);
    if (verdict == FILTER_PASS)
        done(place, record);
    if (verdict == FILTER_FREE)
        call(TRUTH_FREE, record, &record, [&] { free_row(&record); });
    return verdict;
}

struct Filter {
    static void body(seat &place, row &record) {
        if (filtered(place, record) == FILTER_PASS)
            put(place, &record);
    }
};

static void filter_by_hand(seat &place, row &record) {
    call(TRUTH_SCOPE_OPEN, record, &record, [&] { Scope(place).open(record); });
    filter verdict = filtered(place, record);
    // A record that is gone has no more stages.
    if (verdict == FILTER_FREE)
        Scope(place).close();
    else
        call(TRUTH_SCOPE_CLOSE, record, &record, [&] { Scope(place).close(); });
    if (verdict == FILTER_PASS)
        put(place, &record);
}

static void run_filter(seat *place) {
    while (row *record = take(*place)) {
        filter verdict = flow_filter(record);
        if (verdict == FILTER_FREE)
            count_dropped(source_of(*record));
        if (flow_by_hand(record))
            filter_by_hand(*place, *record);
        else
            Transform<Filter>::enter(*place, *record);
        if (verdict == FILTER_CLOSE)
            over(TRUTH_FILTERED, record);
    }
}

static row *fork(seat &place, row &record) {
    row *child = flow_child(&record);
    call(TRUTH_FORK, *child, child, [&] { Scope(place).fork(*child); });
    return child;
}

struct Split {
    static void body(seat &place, row &record) {
        split plan = flow_split(&record);
        for (uint32_t i = 0; i < plan.children; i++)
            put(place, fork(place, record));
        if (plan.goes_on) {
            done(place, record);
            put(place, &record);
        }
    }
};

static void run_split(seat *place) {
    while (row *record = take(*place)) {
        split plan = flow_split(record);
        Transform<Split>::enter(*place, *record);
        if (!plan.goes_on)
            over(plan.children ? TRUTH_SPLIT : TRUTH_FILTERED, record);
    }
}

// ---- batches ----

static void write_batch(seat &place, batch *all) {
    uint64_t before_ns = truth_before();
    Batches::seal(place, *all);
    flow_members(TRUTH_BATCH_SEAL, all, before_ns);
    before_ns = truth_before();
    Sink(place).written(*all);
    flow_members(TRUTH_BATCH_WRITTEN, all, before_ns);
    for (uint64_t i = 0; i < all->size; i++)
        count_written(source_of(all->rows[i]));
    batch_give(all);
}

// Under the batcher's lock, so that the order of the calls is the order in the batch. The row is freed at once.
static void add(seat &place, row *record) {
    batch *to = batcher_lock();
    truth_row *entry = flow_add(record, to);
    Batches::add(*to, *record);
    truth_end(entry);
    block_give(record);
    batch *full = batcher_unlock();
    if (full && full->id % 2 == 0)
        write_batch(place, full);
    else if (full)
        queue_put(place.out, full);
}

struct Group {
    static void body(seat &place, row &record) {
        for (uint32_t i = flow_batch_children(&record); i > 0; i--)
            add(place, fork(place, record));
    }
};

static void run_batcher(seat *place) {
    if (place->number == 0) {
        batcher_timer(place);
        return;
    }
    while (row *record = take(*place)) {
        if (!flow_batch_children(record)) {
            add(*place, record);
            continue;
        }
        Transform<Group>::enter(*place, *record);
        over(TRUTH_SPLIT, record);
    }
}

static void run_writer(seat *place) {
    batch *big = nullptr;
    while (auto *next = static_cast<batch *>(queue_get(place->in))) {
        if (!flow_merges(next)) {
            write_batch(*place, next);
            continue;
        }
        big = big ? big : batch_take();
        uint64_t before_ns = truth_before(), before = big->size;
        Batches::merge(*big, *next);
        flow_merged(big, next, before, before_ns);
        batch_give(next);
        if (big->size > BATCH_BYTES_ROWS - BATCH_LIMIT) {
            write_batch(*place, big);
            big = nullptr;
        }
    }
    if (big)
        write_batch(*place, big);
}

// ---- errors ----

static void run_fallible(seat *place) {
    while (row *record = take(*place)) {
        fault verdict = flow_fault(record);
        if (verdict == FAULT_ROUTED)
            call(TRUTH_ERROR, *record, record, [&] { Sink(*place).error(*record); });
        else
            call(verdict == FAULT_NOT ? TRUTH_WRITE_OK : TRUTH_WRITE_FAILED, *record, record,
                 [&] { Sink(*place).write(*record); });
        (verdict == FAULT_NOT ? count_written : count_dropped)(source_of(*record));
        block_give(record);
    }
}

// ---- transforms within transforms ----

static void run_nested(seat *place) {
    while (row *record = take(*place))
        if (work(*place, *record))
            queue_put(place->out, record);
}

// ---- work stealing ----

enum { STEPS = 3 };

static void push(seat &place, row &record) {
    call(TRUTH_PUT, record, &record, [&] { Tasks::push(place, record); });
}

// Within it the record is given on to whoever takes it next, before it is left.
struct Step {
    static void body(seat &place, row &record) {
        if (flow_filter(&record) != FILTER_PASS && record.step > 0)
            return;
        done(place, record);
        if (++record.step < STEPS)
            push(place, record);
    }
};

static void step(seat &place, row *record) {
    uint32_t nth = record->step;
    bool passes = nth == 0 || flow_filter(record) == FILTER_PASS;
    Transform<Step>::enter(place, *record);
    if (passes && nth + 1 < STEPS)
        return;
    if (passes)
        write_row(place, record);
    else
        over(TRUTH_FILTERED, record);
    deque_done();
}

static void take_and_step(seat &place) {
    uint32_t whose = 0;
    row *record = deque_next(place.number, &whose);
    if (!record)
        return;
    if (whose == place.number)
        call(TRUTH_TAKE, *record, record, [&] { Tasks::pop(place, *record); });
    else
        call(TRUTH_STEAL, *record, record, [&] { Tasks::steal(place, *record, whose); });
    step(place, record);
}

class Thief {
  public:
    explicit Thief(seat &place) : place_(place), source_(place) {}
    void run() {
        source_.begin();
        for (uint64_t seq = 1; harness_next(seq - 1);) {
            if (deque_wants(place_.number)) {
                deque_begin();
                push(place_, *source_.next(seq++));
            }
            take_and_step(place_);
        }
        deque_source_done();
        while (deque_busy())
            take_and_step(place_);
    }

  private:
    seat &place_;
    Source source_;
};

} // namespace journeys

int main(int argc, char **argv) {
    using namespace journeys;
    static const bodies all = {
        [](seat *place) { Source(*place).run(); }, run_sink, run_carrier, run_buffer_sink, run_filter, run_split,
        run_batcher, run_writer, run_fallible, run_nested, [](seat *place) { Thief(*place).run(); }, run_receiver,
    };
    flow_main(argc, argv, &all);
    return 0;
}
