/* The stage functions of journeys.c: real calls with real bodies; nothing in them knows of a profiler. Included once. */
#ifndef STAIN_STAGES_H
#define STAIN_STAGES_H

#include <stddef.h>

#include "../common/flow.h"

/* A call that no optimisation between caller and callee may see through. */
#define STAGE __attribute__((noinline, noipa))
/* At a function's end: it leaves by a return of its own, not by a jump. */
#define KEEP(pointer) __asm__ volatile("" : : "r"(pointer) : "memory")

/* A call within each stage, as real ones have: so stage functions have frames. */
static STAGE void tally(uint64_t *counter) {
    *counter += 1;
    KEEP(counter);
}

STAGE void row_emit(struct row *row, struct seat *seat) {
    tally(&seat->calls);
    row->hops = 1;
    KEEP(row);
}

/* ---- hand-over: what was handed over is freed at once ---- */

STAGE void node_put(struct node *node, struct row *row, struct queue *queue) {
    tally(&row->hops);
    flow_copy(&node->row, row);
    block_give(row);
    queue_put(queue, node);
    KEEP(node);
}

STAGE void node_take(struct seat *seat, struct node *node) {
    tally(&seat->calls);
    node->row.hops += 1;
    KEEP(node);
}

STAGE void buffer_fill(struct buffer *buffer, struct node *node) {
    tally(&node->row.hops);
    flow_copy(&buffer->row, &node->row);
    buffer->bytes = node->row.table_len;
    block_give(node);
    KEEP(buffer);
}

STAGE void buffer_written(struct seat *seat, struct buffer *buffer) {
    tally(&seat->calls);
    sink_write(buffer->row.own_table, buffer->bytes);
    KEEP(buffer);
}

/* ---- queues ---- */

STAGE void row_put(struct queue *queue, struct row *row) {
    tally(&row->hops);
    queue_put(queue, row);
    KEEP(queue);
}

STAGE void row_take(struct seat *seat, struct row *row) {
    tally(&seat->calls);
    row->hops += 1;
    KEEP(row);
}

STAGE void task_push(struct seat *seat, struct row *row) {
    tally(&seat->calls);
    deque_push(seat->number, row);
    KEEP(seat);
}

STAGE void task_pop(struct seat *seat, struct row *row) {
    tally(&seat->calls);
    row->hops += 1;
    KEEP(row);
}

STAGE void task_steal(struct seat *seat, struct row *row, uint32_t victim) {
    tally(&seat->calls);
    row->hops += victim;
    KEEP(row);
}

/* ---- within a transform ---- */

/* The transform has made its output of the row it is at; which one that is, it does not say. */
STAGE void transform_done(struct seat *seat) {
    tally(&seat->calls);
    KEEP(seat);
}

/* Something happens to the row that the transform is at. */
STAGE void scope_note(struct seat *seat) {
    tally(&seat->calls);
    KEEP(seat);
}

STAGE void scope_open(struct seat *seat, struct row *row) {
    tally(&seat->calls);
    row->hops += 1;
    KEEP(row);
}

STAGE void scope_close(struct seat *seat) {
    tally(&seat->calls);
    KEEP(seat);
}

/* One of several outputs. */
STAGE void row_fork(struct row *parent, struct row *child) {
    tally(&parent->hops);
    child->hops = parent->hops;
    KEEP(child);
}

/* ---- batches ---- */

STAGE void batch_add(struct batch *batch, struct row *row) {
    tally(&row->hops);
    flow_copy(&batch->rows[batch->size++], row);
    KEEP(batch);
}

STAGE void batch_merge(struct batch *big, struct batch *small) {
    tally(&big->sealed);
    for (uint64_t i = 0; i < small->size; i++)
        flow_copy(&big->rows[big->size++], &small->rows[i]);
    KEEP(big);
}

STAGE void batch_seal(struct seat *seat, struct batch *batch) {
    tally(&seat->calls);
    batch->sealed += 1;
    KEEP(batch);
}

STAGE void batch_written(struct seat *seat, struct batch *batch) {
    tally(&seat->calls);
    sink_write(batch->rows, 32);
    KEEP(batch);
}

/* ---- ends ---- */

STAGE void row_written(struct seat *seat, struct row *row) {
    tally(&seat->calls);
    sink_write(row->own_table, row->table_len);
    KEEP(row);
}

/* 0, or what is wrong. */
STAGE int row_write(struct seat *seat, struct row *row) {
    tally(&seat->calls);
    int result = flow_fault(row) == FAULT_RETURNED ? 5 : 0;
    KEEP(row);
    return result;
}

STAGE void row_error(struct seat *seat, struct row *row) {
    tally(&seat->calls);
    row->hops += 1;
    KEEP(row);
}

/* The drop point. Records that were written go another way. */
STAGE void row_free(struct row *row) {
    tally(&row->hops);
    block_give(row);
    KEEP(row);
}

STAGE void pipe_put(struct seat *seat, struct row *row) {
    tally(&seat->calls);
    pipe_send(row);
    KEEP(row);
}

STAGE void pipe_take(struct seat *seat, struct row *row) {
    tally(&seat->calls);
    row->hops += 1;
    KEEP(row);
}

#endif
