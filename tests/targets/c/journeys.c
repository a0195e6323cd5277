/* Pipelines in C whose records change, split, merge and vanish. Which of them it is, --scenario says; what becomes of each
 * record is the same in all languages (common/flow.h). */
#include "stages.h"

/* One stage call between its two clock readings. What names the record is read before it can change hands. */
#define CALL(stage, row, object, call)                                                                         \
    do {                                                                                                       \
        struct truth_row *entry_ = flow_begin(stage, row, object);                                             \
        call;                                                                                                  \
        truth_end(entry_);                                                                                     \
    } while (0)

#include "nested.h"

static void put(struct seat *seat, struct row *row) {
    CALL(TRUTH_PUT, row, row, row_put(seat->out, row));
}

static void write_row(struct seat *seat, struct row *row) {
    CALL(TRUTH_WRITTEN, row, row, row_written(seat, row));
    count_written((uint32_t)row->source);
    block_give(row);
}

/* ---- sources and sinks ---- */

static void send_on(struct seat *seat, struct row *row) {
    if (options.scenario == SEND) {
        CALL(TRUTH_SEND, row, row, pipe_put(seat, row));
        block_give(row);
    } else if (options.scenario == HANDOVER) {
        struct node *node = block_take();
        CALL(TRUTH_NODE_PUT, row, row, node_put(node, row, seat->out));
    } else {
        put(seat, row);
    }
}

static struct row *emit(struct seat *seat, uint64_t seq) {
    struct row *row = flow_row(seat->number, seq);
    CALL(TRUTH_S0, row, row, row_emit(row, seat));
    count_emitted(seat->number);
    return row;
}

static void run_source(struct seat *seat) {
    harness_source(seat->number);
    harness_await_go();
    for (uint64_t seq = 1; harness_next(seq - 1); seq++)
        send_on(seat, emit(seat, seq));
}

static void run_sink(struct seat *seat) {
    for (struct row *row; (row = queue_get(seat->in));)
        write_row(seat, row);
}

static void run_receiver(struct seat *seat) {
    harness_await_go();
    for (struct row *row; pipe_receive(row = block_take());) {
        CALL(TRUTH_RECEIVE, row, row, pipe_take(seat, row));
        write_row(seat, row);
    }
}

/* ---- hand-over ---- */

static void run_carrier(struct seat *seat) {
    for (struct node *node; (node = queue_get(seat->in));) {
        CALL(TRUTH_NODE_TAKE, &node->row, node, node_take(seat, node));
        if (flow_vanishes(&node->row)) {
            count_dropped((uint32_t)node->row.source);
            flow_fact(TRUTH_SILENT, &node->row);
            block_give(node);
            continue;
        }
        struct buffer *buffer = block_take();
        CALL(TRUTH_BUFFER_FILL, &node->row, node, buffer_fill(buffer, node));
        queue_put(seat->out, buffer);
    }
}

static void run_buffer_sink(struct seat *seat) {
    for (struct buffer *buffer; (buffer = queue_get(seat->in));) {
        CALL(TRUTH_BUFFER_WRITTEN, &buffer->row, buffer, buffer_written(seat, buffer));
        count_written((uint32_t)buffer->row.source);
        block_give(buffer);
    }
}

/* ---- filters ---- */

/* What happens within the scope, however that was opened. */
static enum filter filter(struct seat *seat, struct row *row) {
    enum filter verdict = flow_filter(row);
    if (verdict == FILTER_PASS)
        DONE(seat, row);
    if (verdict == FILTER_FREE)
        CALL(TRUTH_FREE, row, row, row_free(row));
    return verdict;
}

STAGE void filter_row(struct seat *seat, struct row *row) {
    flow_entered();
    tally(&seat->calls);
    if (filter(seat, row) == FILTER_PASS)
        put(seat, row);
    KEEP(row);
}

static void filter_by_hand(struct seat *seat, struct row *row) {
    CALL(TRUTH_SCOPE_OPEN, row, row, scope_open(seat, row));
    enum filter verdict = filter(seat, row);
    /* A record that is gone has no more stages. */
    if (verdict == FILTER_FREE)
        scope_close(seat);
    else
        CALL(TRUTH_SCOPE_CLOSE, row, row, scope_close(seat));
    if (verdict == FILTER_PASS)
        put(seat, row);
}

static void run_filter(struct seat *seat) {
    for (struct row *row; (row = queue_get(seat->in));) {
        CALL(TRUTH_TAKE, row, row, row_take(seat, row));
        enum filter verdict = flow_filter(row);
        if (verdict != FILTER_PASS)
            count_dropped((uint32_t)row->source);
        if (flow_by_hand(row)) {
            filter_by_hand(seat, row);
        } else {
            flow_enter(TRUTH_ENTER, row, row);
            filter_row(seat, row);
        }
        if (verdict == FILTER_CLOSE) {
            flow_fact(TRUTH_FILTERED, row);
            block_give(row);
        }
    }
}

/* ---- splits ---- */

static struct row *fork_row(struct row *row) {
    struct row *child = flow_child(row);
    CALL(TRUTH_FORK, child, child, row_fork(row, child));
    return child;
}

STAGE void split_row(struct seat *seat, struct row *row) {
    flow_entered();
    tally(&seat->calls);
    struct split split = flow_split(row);
    for (uint32_t i = 0; i < split.children; i++)
        put(seat, fork_row(row));
    if (split.goes_on) {
        DONE(seat, row);
        put(seat, row);
    }
    KEEP(seat);
}

static void run_split(struct seat *seat) {
    for (struct row *row; (row = queue_get(seat->in));) {
        CALL(TRUTH_TAKE, row, row, row_take(seat, row));
        struct split split = flow_split(row);
        flow_enter(TRUTH_ENTER, row, row);
        split_row(seat, row);
        if (!split.goes_on) {
            count_dropped((uint32_t)row->source);
            flow_fact(split.children ? TRUTH_SPLIT : TRUTH_FILTERED, row);
            block_give(row);
        }
    }
}

/* ---- batches ---- */

static void write_batch(struct seat *seat, struct batch *batch) {
    uint64_t before_ns = truth_before();
    batch_seal(seat, batch);
    flow_members(TRUTH_BATCH_SEAL, batch, before_ns);
    before_ns = truth_before();
    batch_written(seat, batch);
    flow_members(TRUTH_BATCH_WRITTEN, batch, before_ns);
    for (uint64_t i = 0; i < batch->size; i++)
        count_written((uint32_t)batch->rows[i].source);
    batch_give(batch);
}

/* Under the batcher's lock, so that the order of the calls is the order in the batch. The row is freed at once. */
static void add(struct seat *seat, struct row *row) {
    struct batch *batch = batcher_lock();
    struct truth_row *entry = flow_add(row, batch);
    batch_add(batch, row);
    truth_end(entry);
    block_give(row);
    struct batch *full = batcher_unlock();
    if (full && full->id % 2 == 0)
        write_batch(seat, full);
    else if (full)
        queue_put(seat->out, full);
}

STAGE void group_row(struct seat *seat, struct row *row) {
    flow_entered();
    tally(&seat->calls);
    for (uint32_t i = flow_batch_children(row); i > 0; i--)
        add(seat, fork_row(row));
    KEEP(row);
}

static void run_batcher(struct seat *seat) {
    if (seat->number == 0) {
        batcher_timer(seat);
        return;
    }
    for (struct row *row; (row = queue_get(seat->in));) {
        CALL(TRUTH_TAKE, row, row, row_take(seat, row));
        if (!flow_batch_children(row)) {
            add(seat, row);
            continue;
        }
        flow_enter(TRUTH_ENTER, row, row);
        group_row(seat, row);
        count_dropped((uint32_t)row->source);
        flow_fact(TRUTH_SPLIT, row);
        block_give(row);
    }
}

static void run_writer(struct seat *seat) {
    struct batch *big = NULL;
    for (struct batch *batch; (batch = queue_get(seat->in));) {
        if (!flow_merges(batch)) {
            write_batch(seat, batch);
            continue;
        }
        big = big ? big : batch_take();
        uint64_t before_ns = truth_before(), before = big->size;
        batch_merge(big, batch);
        flow_merged(big, batch, before, before_ns);
        batch_give(batch);
        if (big->size > BATCH_BYTES_ROWS - BATCH_LIMIT)
            write_batch(seat, big), big = NULL;
    }
    if (big)
        write_batch(seat, big);
}

/* ---- errors ---- */

static void run_fallible(struct seat *seat) {
    for (struct row *row; (row = queue_get(seat->in));) {
        CALL(TRUTH_TAKE, row, row, row_take(seat, row));
        enum fault fault = flow_fault(row);
        if (fault == FAULT_ROUTED)
            CALL(TRUTH_ERROR, row, row, row_error(seat, row));
        else
            CALL(fault == FAULT_NOT ? TRUTH_WRITE_OK : TRUTH_WRITE_FAILED, row, row, row_write(seat, row));
        (fault == FAULT_NOT ? count_written : count_dropped)((uint32_t)row->source);
        block_give(row);
    }
}

static void run_nested(struct seat *seat) {
    for (struct row *row; (row = queue_get(seat->in));) {
        CALL(TRUTH_TAKE, row, row, row_take(seat, row));
        if (work(seat, row))
            queue_put(seat->out, row);
    }
}

/* ---- work stealing ---- */

enum { STEPS = 3 };

static void push(struct seat *seat, struct row *row) {
    CALL(TRUTH_PUT, row, row, task_push(seat, row));
}

/* Within it the row is given on to whoever takes it next, before it is left. */
STAGE void step_row(struct seat *seat, struct row *row) {
    flow_entered();
    tally(&seat->calls);
    if (flow_filter(row) == FILTER_PASS || row->step == 0) {
        DONE(seat, row);
        if (++row->step < STEPS)
            push(seat, row);
    }
    KEEP(seat);
}

static void step(struct seat *seat, struct row *row) {
    uint32_t nth = row->step;
    int passes = nth == 0 || flow_filter(row) == FILTER_PASS;
    flow_enter(TRUTH_ENTER, row, row);
    step_row(seat, row);
    if (passes && nth + 1 < STEPS)
        return;
    if (passes) {
        write_row(seat, row);
    } else {
        count_dropped((uint32_t)row->source);
        flow_fact(TRUTH_FILTERED, row);
        block_give(row);
    }
    deque_done();
}

static void take_and_step(struct seat *seat) {
    uint32_t whose = 0;
    struct row *row = deque_next(seat->number, &whose);
    if (!row)
        return;
    if (whose == seat->number)
        CALL(TRUTH_TAKE, row, row, task_pop(seat, row));
    else
        CALL(TRUTH_STEAL, row, row, task_steal(seat, row, whose));
    step(seat, row);
}

static void run_thief(struct seat *seat) {
    harness_source(seat->number);
    harness_await_go();
    for (uint64_t seq = 1; harness_next(seq - 1);) {
        if (deque_wants(seat->number)) {
            deque_begin();
            push(seat, emit(seat, seq++));
        }
        take_and_step(seat);
    }
    deque_source_done();
    while (deque_busy())
        take_and_step(seat);
}

/* ---- the whole ---- */

int main(int argc, char **argv) {
    static const struct bodies bodies = {
        .source = run_source, .sink = run_sink, .carrier = run_carrier, .buffer_sink = run_buffer_sink,
        .filter = run_filter, .split = run_split, .batcher = run_batcher, .writer = run_writer,
        .fallible = run_fallible, .nested = run_nested, .thief = run_thief, .receiver = run_receiver,
    };
    flow_main(argc, argv, &bodies);
    return 0;
}
