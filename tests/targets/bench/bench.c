/* What the benchmarks probe: functions that start with a given instruction, a record's way through six stages, and two
 * threads that pass a byte to and fro. Takes a command a line on stdin, answers each with the nanoseconds that it took.
 *   list | call FUNCTION COUNT | record COUNT | pingpong COUNT */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A call that no optimisation between caller and callee may see through. */
#define STAGE __attribute__((noinline, noipa))

struct record { uint64_t seq, hops; };

/* ---- one function for each instruction ---- */

#define FUNCTION(name, body)                                                                                     \
    void name(struct record *record);                                                                            \
    __asm__(".text\n.p2align 4\n.globl " #name "\n.type " #name ", %function\n" #name ": " body "\n.size " #name \
            ", .-" #name "\n")

#if defined(__x86_64__)
FUNCTION(op_push, "push %rbx\n pop %rbx\n ret");
FUNCTION(op_nop, "nop\n ret");
FUNCTION(op_jmp, "jmp 1f\n1: ret");
FUNCTION(op_jcc, "je 1f\n1: ret");
FUNCTION(op_call, "call 1f\n ret\n1: ret");
FUNCTION(op_nop5, ".byte 0x0f, 0x1f, 0x44, 0x00, 0x00\n ret");
FUNCTION(op_endbr, "endbr64\n push %rbx\n pop %rbx\n ret");
FUNCTION(op_sub, "sub $8, %rsp\n add $8, %rsp\n ret");
FUNCTION(op_mov, "mov %rdi, %rax\n ret");
FUNCTION(op_test, "test %rdi, %rdi\n ret");
FUNCTION(op_xor, "xor %eax, %eax\n ret");
FUNCTION(op_lea, "lea 8(%rdi), %rax\n ret");
FUNCTION(op_load, "mov (%rdi), %rax\n ret");
FUNCTION(op_ret, "ret");
/* Sites enough for a large pipeline, three bytes apart; never called. */
FUNCTION(many, ".rept 256\n push %rbx\n pop %rbx\n ret\n .endr");
enum { MANY_BYTES = 3 };
#define OPS(X)                                                                                                   \
    X(op_push, "push %rbx") X(op_nop, "nop") X(op_jmp, "jmp") X(op_jcc, "je") X(op_call, "call")                 \
    X(op_nop5, "nopl 0(%rax,%rax) (5 bytes)") X(op_endbr, "endbr64") X(op_sub, "sub $8,%rsp")                    \
    X(op_mov, "mov %rdi,%rax") X(op_test, "test %rdi,%rdi") X(op_xor, "xor %eax,%eax")                           \
    X(op_lea, "lea 8(%rdi),%rax") X(op_load, "mov (%rdi),%rax") X(op_ret, "ret")
#elif defined(__aarch64__)
FUNCTION(op_nop, "nop\n ret");
FUNCTION(op_b, "b 1f\n1: ret");
FUNCTION(op_bcond, "b.eq 1f\n1: ret");
FUNCTION(op_cbz, "cbz x0, 1f\n1: ret");
FUNCTION(op_ret, "ret");
FUNCTION(op_bti, "bti c\n ret");
FUNCTION(op_stp, "stp x29, x30, [sp, #-16]!\n ldp x29, x30, [sp], #16\n ret");
FUNCTION(op_mov, "mov x1, x0\n ret");
FUNCTION(op_load, "ldr x1, [x0]\n ret");
FUNCTION(many, ".rept 256\n nop\n .endr\n ret");
enum { MANY_BYTES = 4 };
#define OPS(X)                                                                                                   \
    X(op_nop, "nop") X(op_b, "b") X(op_bcond, "b.eq") X(op_cbz, "cbz") X(op_ret, "ret") X(op_bti, "bti c")       \
    X(op_stp, "stp x29,x30,[sp,#-16]!") X(op_mov, "mov x1,x0") X(op_load, "ldr x1,[x0]")
#else
#error "no instructions known for this machine"
#endif

/* ---- six stages, as a compiler writes them ---- */

static uint64_t tallies[6];

static STAGE void tally(uint64_t *counter) {
    *counter += 1;
}

STAGE void stage_emit(struct record *record) { tally(&tallies[0]); record->hops = 1; }
STAGE void stage_put(struct record *record) { tally(&tallies[1]); record->hops += 1; }
STAGE void stage_take(struct record *record) { tally(&tallies[2]); record->hops += 1; }
STAGE void stage_enter(struct record *record) { tally(&tallies[3]); record->hops += 1; }
STAGE void stage_done(struct record *record) { tally(&tallies[4]); record->hops += 1; }
STAGE void stage_written(struct record *record) { tally(&tallies[5]); record->hops += 1; }

#define STAGES(X)                                                                                                \
    X(stage_emit, "") X(stage_put, "") X(stage_take, "") X(stage_enter, "") X(stage_done, "") X(stage_written, "")

static const struct { const char *name, *instruction; void (*function)(struct record *); } functions[] = {
#define ROW(name, instruction) {#name, instruction, name},
    OPS(ROW) STAGES(ROW)
};

/* ---- what is measured ---- */

static struct record ring[64], held;

static uint64_t clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void die(const char *why) {
    fprintf(stderr, "bench target: %s\n", why);
    exit(2);
}

static uint64_t calls(void (*function)(struct record *), struct record *record, uint64_t count) {
    uint64_t start_ns = clock_ns();
    for (uint64_t i = 0; i < count; i++)
        function(record);
    return clock_ns() - start_ns;
}

static uint64_t records(uint64_t count) {
    uint64_t start_ns = clock_ns();
    for (uint64_t i = 0; i < count; i++) {
        struct record *record = &ring[i % 64];
        record->seq = i;
        stage_emit(record);
        stage_put(record);
        stage_take(record);
        stage_enter(record);
        stage_done(record);
        stage_written(record);
    }
    return clock_ns() - start_ns;
}

struct pong { int from, to; uint64_t count; };

static void pass(int from, int to, uint64_t count) {
    for (char byte = 0; count > 0; count--)
        if (read(from, &byte, 1) != 1 || write(to, &byte, 1) != 1)
            die("a pipe broke");
}

static void *pong(void *argument) {
    struct pong *pong = argument;
    pass(pong->from, pong->to, pong->count);
    return NULL;
}

/* Round trips: two switches each, since both threads are on one CPU. */
static uint64_t pingpong(uint64_t count) {
    int there[2], back[2];
    if (pipe(there) || pipe(back))
        die("no pipes");
    struct pong other = {there[0], back[1], count};
    pthread_t thread;
    if (pthread_create(&thread, NULL, pong, &other))
        die("no thread");
    char byte = 0;
    uint64_t start_ns = clock_ns();
    for (uint64_t i = 0; i < count; i++)
        if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
            die("a pipe broke");
    uint64_t took_ns = clock_ns() - start_ns;
    pthread_join(thread, NULL);
    close(there[0]), close(there[1]), close(back[0]), close(back[1]);
    return took_ns;
}

static uint64_t call(const char *name, uint64_t count) {
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        if (strcmp(functions[i].name, name) == 0)
            return calls(functions[i].function, &ring[0], count);
    die("no such function");
    return 0;
}

static void list(void) {
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        if (*functions[i].instruction)
            printf("%s\t%s\n", functions[i].name, functions[i].instruction);
    printf("many\t%d\n.\n", MANY_BYTES);
}

static void command(char *line) {
    char name[64];
    uint64_t count;
    if (strcmp(line, "list\n") == 0)
        list();
    else if (strcmp(line, "hold\n") == 0) /* a record that enters and never leaves */
        printf("%lu\n", calls(stage_emit, &held, 1));
    else if (sscanf(line, "call %63s %lu", name, &count) == 2)
        printf("%lu\n", call(name, count));
    else if (sscanf(line, "record %lu", &count) == 1)
        printf("%lu\n", records(count));
    else if (sscanf(line, "pingpong %lu", &count) == 1)
        printf("%lu\n", pingpong(count));
    else
        die("no such command");
    fflush(stdout);
}

int main(int argc, char **argv) {
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(argc > 1 ? atoi(argv[1]) : 0, &cpus);
    if (sched_setaffinity(0, sizeof cpus, &cpus) != 0)
        die("cannot be pinned to the CPU");
    printf("ready %d\n", getpid());
    fflush(stdout);
    char line[128];
    while (fgets(line, sizeof line, stdin))
        command(line);
    return 0;
}
