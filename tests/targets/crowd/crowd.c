// Many threads at once, each with a record of its own. Begins with the first line of its standard input, says when it is done, and ends with its input.
//
//   crowd scopes N   Each of N threads is within a scope of its record, all at the same time.
//   crowd keys N     Four threads give their records, N each, the same further key at the same time, seven times each record.
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct record { uint64_t steps; };
struct node { uint64_t steps; };

#define STAGE __attribute__((noinline, noclone)) void
#define KEEP(pointer) __asm__ volatile("" ::"r"(pointer) : "memory")
STAGE emit(struct record *record) { KEEP(record); }
STAGE note(uint64_t *steps) { KEEP(steps); }
STAGE output(uint64_t *steps) { KEEP(steps); }
STAGE written(struct record *record) { KEEP(record); }
STAGE hand_over(struct node *node, struct record *record) { KEEP(node); KEEP(record); }

enum { BURST = 50, FURTHER_KEYS = 7 };
static pthread_barrier_t all_within, all_through;
static uint64_t count;
static struct node shared;

// A scope: all are within it before one of them leaves it.
STAGE work(struct record *record) {
    note(&record->steps);
    pthread_barrier_wait(&all_within);
    note(&record->steps);
    output(&record->steps);
    KEEP(record);
}

static void *within(void *unused) {
    struct record record = {0};
    (void)unused;
    emit(&record);
    work(&record);
    written(&record);
    // The record's place is on the stack, which may be another thread's next.
    pthread_barrier_wait(&all_through);
    return NULL;
}

static void *handing(void *unused) {
    struct record record = {0};
    (void)unused;
    for (uint64_t i = 0; i < count; i++) {
        // No faster than any machine can write them; then all at once.
        if (i % BURST == 0) {
            usleep(50000);
            pthread_barrier_wait(&all_within);
        }
        emit(&record);
        for (int j = 0; j < FURTHER_KEYS; j++)
            hand_over(&shared, &record);
        written(&record);
    }
    return NULL;
}

static void run(void *(*body)(void *), uint64_t threads) {
    pthread_t *thread = calloc(threads, sizeof *thread);
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 65536);
    pthread_barrier_init(&all_within, NULL, (unsigned)threads);
    pthread_barrier_init(&all_through, NULL, (unsigned)threads);
    for (uint64_t i = 0; i < threads; i++)
        if (!thread || pthread_create(&thread[i], &small, body, NULL) != 0)
            exit(2);
    for (uint64_t i = 0; i < threads; i++)
        pthread_join(thread[i], NULL);
}

int main(int argc, char **arguments) {
    char line[16];
    if (argc != 3 || !fgets(line, sizeof line, stdin))
        return 1;
    count = strtoull(arguments[2], NULL, 10);
    if (strcmp(arguments[1], "scopes") == 0)
        run(within, count);
    else
        run(handing, 4);
    printf("done\n");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin))
        ;
    return 0;
}
