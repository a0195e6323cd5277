#define _GNU_SOURCE
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct options options = {.records = 1000, .sources = 1, .workers = 2, .queue = 1024, .truth_sample = 1};

void harness_fail(const char *what, const char *operand) {
    fprintf(stderr, "pipeline: %s: %s\n", what, operand);
    exit(2);
}

static uint64_t read_clock(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t clock_ns(void) {
    return read_clock(CLOCK_MONOTONIC);
}

int64_t wall_clock_ns(void) {
    return (int64_t)read_clock(CLOCK_REALTIME);
}

static uint32_t thread_id(void) {
    static _Thread_local uint32_t tid;
    if (!tid)
        tid = (uint32_t)syscall(SYS_gettid);
    return tid;
}

/* ---- truth log: a shared mapping of the file, so that it holds whatever happened up to the moment of a kill ---- */

enum { HEADER_BYTES = 4096, CHUNK_ROWS = 8192 };
#define CHUNK_BYTES ((off_t)(CHUNK_ROWS * sizeof(struct truth_row)))
_Static_assert(sizeof(struct truth_row) == 168, "the reader knows 168-byte rows");

static int truth_file = -1;
static off_t truth_chunks;
static pthread_mutex_t truth_lock = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local struct truth_row *chunk;
static _Thread_local uint32_t chunk_used = CHUNK_ROWS;

static void open_truth_file(const char *path) {
    struct { char magic[8]; uint32_t header_bytes, row_bytes; uint64_t sample, pid; } header = {
        {'S', 'T', 'A', 'I', 'N', 'T', 'R', 'U'}, HEADER_BYTES, sizeof(struct truth_row), options.truth_sample,
        (uint64_t)getpid()};
    truth_file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (truth_file < 0 || ftruncate(truth_file, HEADER_BYTES) != 0 ||
        pwrite(truth_file, &header, sizeof header, 0) != (ssize_t)sizeof header)
        harness_fail("cannot write the truth file", path);
}

static struct truth_row *new_chunk(void) {
    pthread_mutex_lock(&truth_lock);
    off_t offset = HEADER_BYTES + truth_chunks * CHUNK_BYTES;
    truth_chunks += 1;
    if (ftruncate(truth_file, offset + CHUNK_BYTES) != 0)
        harness_fail("cannot grow the truth file", strerror(errno));
    pthread_mutex_unlock(&truth_lock);
    void *rows = mmap(NULL, CHUNK_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, truth_file, offset);
    if (rows == MAP_FAILED)
        harness_fail("cannot map the truth file", strerror(errno));
    return rows;
}

static struct truth_row *truth_row(uint32_t stage, uint32_t source, uint64_t seq, const void *record) {
    if (chunk_used == CHUNK_ROWS) {
        if (chunk)
            munmap(chunk, CHUNK_BYTES);
        chunk = new_chunk();
        chunk_used = 0;
    }
    struct truth_row *row = &chunk[chunk_used++];
    row->seq = seq;
    row->source = source;
    row->tid = thread_id();
    row->record = (uint64_t)(uintptr_t)record;
    row->stage = stage;
    return row;
}

static int truth_wants(uint64_t seq) {
    return truth_file >= 0 && seq % options.truth_sample == 0;
}

uint64_t truth_before(void) {
    return truth_file < 0 ? 0 : clock_ns();
}

void truth_call(uint32_t stage, uint32_t source, uint64_t seq, const void *record, uint64_t before_ns) {
    if (!truth_wants(seq))
        return;
    uint64_t after_ns = clock_ns();
    struct truth_row *row = truth_row(stage, source, seq, record);
    row->before_ns = before_ns;
    row->after_ns = after_ns;
}

struct truth_row *truth_open(uint32_t stage, uint32_t source, uint64_t seq, const void *record) {
    return truth_wants(seq) ? truth_row(stage, source, seq, record) : NULL;
}

struct truth_row *truth_begin(uint32_t stage, uint32_t source, uint64_t seq, const void *record) {
    struct truth_row *row = truth_open(stage, source, seq, record);
    if (row)
        row->before_ns = clock_ns();
    return row;
}

void truth_end(struct truth_row *row) {
    if (row)
        row->after_ns = clock_ns();
}

/* ---- counting, pacing, the end ---- */

static _Atomic uint64_t emitted_total, bogus_total;
static struct counts {
    _Atomic uint64_t emitted, dropped, written;
    uint32_t tid;
} __attribute__((aligned(64))) counts[MAX_SOURCES];
static uint64_t started_ns;
static _Atomic int halted;

void harness_source(uint32_t source) {
    counts[source].tid = thread_id();
}

void count_emitted(uint32_t source) {
    atomic_fetch_add_explicit(&counts[source].emitted, 1, memory_order_relaxed);
    if (!options.exit_at && !options.crash_at)
        return;
    uint64_t total = 1 + atomic_fetch_add(&emitted_total, 1);
    if (total == options.exit_at)
        exit(0);
    if (total == options.crash_at)
        raise(SIGSEGV);
}

void count_dropped(uint32_t source) {
    atomic_fetch_add_explicit(&counts[source].dropped, 1, memory_order_relaxed);
}

void count_written(uint32_t source) {
    atomic_fetch_add_explicit(&counts[source].written, 1, memory_order_relaxed);
}

void count_bogus(void) {
    atomic_fetch_add_explicit(&bogus_total, 1, memory_order_relaxed);
}

int harness_next(uint64_t emitted) {
    if (options.records && emitted >= options.records)
        return 0;
    if (options.seconds && clock_ns() - started_ns >= options.seconds * 1000000000u)
        return 0;
    if (atomic_load_explicit(&halted, memory_order_relaxed))
        return 0;
    if (options.rate_per_second) {
        uint64_t turn = started_ns + (uint64_t)((double)emitted * 1e9 / (double)options.rate_per_second);
        struct timespec until = {(time_t)(turn / 1000000000u), (long)(turn % 1000000000u)};
        if (turn > clock_ns())
            clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    }
    return 1;
}

/* Known from the record's number alone, so that every run drops the same ones. */
enum drop_place harness_drop(uint32_t source, uint64_t seq) {
    if (!options.drop_percent)
        return DROP_NOT;
    uint64_t x = (seq ^ ((uint64_t)source << 48)) * 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 31)) * 0xBF58476D1CE4E5B9u;
    x ^= x >> 29;
    return x % 100 >= options.drop_percent ? DROP_NOT : (enum drop_place)(1 + (x >> 32) % 3);
}

void busy(uint64_t ns) {
    if (!ns)
        return;
    for (uint64_t until = clock_ns() + ns; clock_ns() < until;)
        ;
}

void sink_write(const void *bytes, uint64_t len) {
    static _Thread_local char buffer[65536];
    static _Thread_local uint64_t used;
    static _Thread_local int file = -1;
    if (file < 0)
        file = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (used + len > sizeof buffer) {
        if (write(file, buffer, used) < 0)
            harness_fail("cannot write the sink's file", strerror(errno));
        used = 0;
    }
    memcpy(buffer + used, bytes, len);
    used += len;
}

/* ---- the go ---- */

static pthread_mutex_t go_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t go_changed = PTHREAD_COND_INITIALIZER;
static int go;
static int go_signal = -1;

/* A line of stdin, or its end. */
static void await_line(void) {
    char byte = 0;
    while (read(0, &byte, 1) == 1 && byte != '\n')
        ;
}

static void await_stdin_or_signal(void) {
    struct pollfd files[2] = {{.fd = 0, .events = POLLIN}, {.fd = go_signal, .events = POLLIN}};
    while (poll(files, 2, -1) < 0)
        if (errno != EINTR)
            harness_fail("cannot wait for the go", strerror(errno));
    if (files[0].revents)
        await_line();
}

void harness_ready(void) {
    printf("ready %d\n", getpid());
    fflush(stdout);
    if (options.wait_for_go)
        await_stdin_or_signal();
    pthread_mutex_lock(&go_lock);
    started_ns = clock_ns();
    go = 1;
    pthread_cond_broadcast(&go_changed);
    pthread_mutex_unlock(&go_lock);
    if (options.until_halt) {
        await_line();
        atomic_store(&halted, 1);
    }
}

void harness_await_go(void) {
    pthread_mutex_lock(&go_lock);
    while (!go)
        pthread_cond_wait(&go_changed, &go_lock);
    pthread_mutex_unlock(&go_lock);
}

void harness_halt(void) {
    printf("halt\n");
    fflush(stdout);
    await_line();
}

static void print_totals(void) {
    uint64_t emitted = 0, dropped = 0, written = 0;
    for (uint32_t i = 0; i < options.sources; i++) {
        emitted += counts[i].emitted;
        dropped += counts[i].dropped;
        written += counts[i].written;
    }
    printf("{\"emitted\":%lu,\"dropped\":%lu,\"written\":%lu,\"bogus\":%lu,\"elapsed_ns\":%lu,\"sources\":[", emitted,
           dropped, written, bogus_total, clock_ns() - started_ns);
    for (uint32_t i = 0; i < options.sources; i++)
        printf("%s{\"source\":%u,\"tid\":%u,\"emitted\":%lu,\"dropped\":%lu,\"written\":%lu}", i ? "," : "", i,
               counts[i].tid, counts[i].emitted, counts[i].dropped, counts[i].written);
    printf("]}\n");
    fflush(stdout);
}

void harness_finish(void) {
    print_totals();
    char bytes[256];
    while (options.linger && read(0, bytes, sizeof bytes) > 0)
        ;
}

/* ---- the command line ---- */

void harness_unsupported(const char *option) {
    harness_fail("this pipeline does not have the option", option);
}

static uint64_t number(const char *option, const char *text) {
    char *end = NULL;
    errno = 0;
    uint64_t value = strtoull(text ? text : "", &end, 10);
    if (!text || !*text || *end || errno)
        harness_fail("wants a number", option);
    return value;
}

static uint64_t word(const char *option, const char *text, const char *const words[]) {
    for (uint64_t i = 0; text && words[i]; i++)
        if (strcmp(text, words[i]) == 0)
            return i;
    harness_fail("does not take this word", option);
    return 0;
}

static const struct { const char *name; uint64_t *value; } numbers[] = {
    {"--records", &options.records}, {"--seconds", &options.seconds}, {"--sources", &options.sources},
    {"--workers", &options.workers}, {"--queue", &options.queue}, {"--drop-percent", &options.drop_percent},
    {"--truth-sample", &options.truth_sample}, {"--rate-per-second", &options.rate_per_second},
    {"--work", &options.work_ns}, {"--exit-at", &options.exit_at}, {"--crash-at", &options.crash_at},
    {"--part", &options.part},
};
static const struct { const char *name; uint64_t *value; } switches[] = {
    {"--wait-for-go", &options.wait_for_go}, {"--linger", &options.linger}, {"--fault-keys", &options.fault_keys},
    {"--until-halt", &options.until_halt},
};
static const struct { const char *name, **value; } paths[] = {
    {"--pipe", &options.pipe}, {"--script", &options.script}, {"--turn", &options.turn},
};

/* Takes one option; says whether it took the next word too. */
static int take_option(const char *option, const char *next, const char **truth) {
    static const char *const modes[] = {"function", "silent", NULL};
    static const char *const reuses[] = {"malloc", "shared", "owner", NULL};
    static const char *const scenarios[] = {"handover", "filter", "split", "batch", "errors", "nested", "steal",
                                            "send", "receive", NULL};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (strcmp(option, numbers[i].name) == 0)
            return *numbers[i].value = number(option, next), 1;
    for (size_t i = 0; i < sizeof switches / sizeof *switches; i++)
        if (strcmp(option, switches[i].name) == 0)
            return *switches[i].value = 1, 0;
    if (strcmp(option, "--drop-mode") == 0)
        return options.drop_silent = word(option, next, modes), 1;
    if (strcmp(option, "--reuse") == 0)
        return options.reuse = word(option, next, reuses), 1;
    if (strcmp(option, "--scenario") == 0)
        return options.scenario = word(option, next, scenarios), 1;
    for (size_t i = 0; next && i < sizeof paths / sizeof *paths; i++)
        if (strcmp(option, paths[i].name) == 0)
            return *paths[i].value = next, 1;
    if (strcmp(option, "--truth") == 0 && next)
        return *truth = next, 1;
    harness_fail("unknown option", option);
    return 0;
}

void harness_start(int argc, char **argv) {
    const char *truth = NULL;
    for (int i = 1; i < argc; i++)
        i += take_option(argv[i], i + 1 < argc ? argv[i + 1] : NULL, &truth);
    if (options.sources < 1 || options.sources > MAX_SOURCES || options.workers < 1 ||
        options.workers > MAX_WORKERS || options.queue < 1 || options.truth_sample < 1)
        harness_fail("out of range", "--sources, --workers, --queue or --truth-sample");
    if (truth)
        open_truth_file(truth);
    struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    sigset_t usr1;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &usr1, NULL);
    go_signal = signalfd(-1, &usr1, SFD_CLOEXEC);
}
