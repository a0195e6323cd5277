/* A program that calls its stages when it is told to, by lines on its input: a word and up to three numbers. Each line is answered by one line, once it is
 * done. A stage that holds other stages (`outer`, `inner`, `get`) reads on within its call, until the line `return`, or `jump`, which leaves all calls at
 * once. `hide` and `show` make the page unreadable and readable that stages are given the address of. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifdef __cplusplus
#define STAGE extern "C" __attribute__((noinline, noclone))
#else
#define STAGE __attribute__((noinline, noclone))
#endif
#define KEEP(one, two) __asm__ volatile("" ::"r"(one), "r"(two) : "memory")

static uint64_t *page;
static jmp_buf top;

static void obey_until_return(void);

STAGE void told_emit(uint64_t key, uint64_t *other) { KEEP(key, other); }
STAGE void told_bind(uint64_t key, uint64_t other, uint64_t *condition) { KEEP(key, other); KEEP(key, condition); }
STAGE void told_take(uint64_t key) { KEEP(key, key); }
STAGE void told_mark(uint64_t key) { KEEP(key, key); }
STAGE void told_put(uint64_t key, uint64_t batch) { KEEP(key, batch); }
STAGE void told_flush(uint64_t batch) { KEEP(batch, batch); }
STAGE void told_done(uint64_t key) { KEEP(key, key); }

STAGE void told_outer(uint64_t key) {
    KEEP(key, key);
    obey_until_return();
    KEEP(key, key);
}

STAGE void told_inner(uint64_t key, uint64_t *condition) {
    KEEP(key, condition);
    obey_until_return();
    KEEP(key, key);
}

STAGE uint64_t told_get(uint64_t key) {
    KEEP(key, key);
    obey_until_return();
    KEEP(key, key);
    return 1;
}

static void access_page(int protection) {
    if (mprotect(page, 4096, protection) != 0)
        abort();
}

/* All stages of records `first` to `last`, one after the other. */
static void flow(uint64_t first, uint64_t last) {
    for (uint64_t key = first; key <= last; key++) {
        told_emit(key, page);
        told_take(key);
        told_mark(key);
        told_done(key);
    }
}

static void obey(const char *word, uint64_t one, uint64_t two) {
    if (strcmp(word, "emit") == 0)
        *page = two, told_emit(one, page);
    else if (strcmp(word, "emit_hidden") == 0)
        access_page(PROT_NONE), told_emit(one, page), access_page(PROT_READ | PROT_WRITE);
    else if (strcmp(word, "bind") == 0)
        told_bind(one, two, page);
    else if (strcmp(word, "take") == 0)
        told_take(one);
    else if (strcmp(word, "mark") == 0)
        told_mark(one);
    else if (strcmp(word, "put") == 0)
        told_put(one, two);
    else if (strcmp(word, "flush") == 0)
        told_flush(one);
    else if (strcmp(word, "done") == 0)
        told_done(one);
    else if (strcmp(word, "outer") == 0)
        told_outer(one);
    else if (strcmp(word, "inner") == 0)
        told_inner(one, page);
    else if (strcmp(word, "get") == 0)
        told_get(one);
    else if (strcmp(word, "flow") == 0)
        flow(one, two);
    else if (strcmp(word, "hide") == 0)
        access_page(PROT_NONE);
    else if (strcmp(word, "show") == 0)
        access_page(PROT_READ | PROT_WRITE);
    else if (strcmp(word, "jump") == 0)
        puts("jump"), longjmp(top, 1);
    else if (strcmp(word, "become") == 0)
        execl("/proc/self/exe", "told", (char *)NULL);
    else
        abort();
}

/* Whether a call is entered: it is answered for at once, and its return by the line that asked for that. */
static int is_call(const char *word) {
    return strcmp(word, "outer") == 0 || strcmp(word, "inner") == 0 || strcmp(word, "get") == 0;
}

static void obey_until_return(void) {
    char line[128], word[32];
    while (fgets(line, sizeof line, stdin) != NULL) {
        unsigned long long one = 0, two = 0;
        if (sscanf(line, "%31s %llu %llu", word, &one, &two) < 1)
            continue;
        if (strcmp(word, "return") == 0)
            return;
        if (is_call(word))
            puts(word);
        obey(word, one, two);
        puts(is_call(word) ? "return" : word);
    }
    exit(0);
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    page = (uint64_t *)mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return 1;
#ifdef __cplusplus
    /* Never happens; but the file can throw. */
    if (page == NULL)
        throw 1;
#endif
    puts("ready");
    setjmp(top);
    for (;;)
        obey_until_return();
}
