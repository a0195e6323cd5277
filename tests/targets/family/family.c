/* A program that forks and becomes other programs, told to by lines on its input. A record is a number, from `family_emit` to
 * `family_done`. Each line is answered by one line. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define STAGE __attribute__((noinline, noipa))

static uint64_t emitted, finished;

STAGE void family_emit(uint64_t record) { emitted += record != 0; }
STAGE void family_done(uint64_t record) { finished += record != 0; }

/* The next record's number: the same ones in every process, so that keys of two processes are equal. */
static uint64_t next = 1;

static void flow(long records) {
    for (long i = 0; i < records; i++) {
        family_emit(next);
        family_done(next++);
    }
}

static void hold(long records) {
    for (long i = 0; i < records; i++)
        family_emit(next++);
}

/* Children that do nothing with records: they exit, or become another program and exit. */
static void brood(long children, const char *program) {
    for (long i = 0; i < children; i++) {
        pid_t child = fork();
        if (child == 0) {
            if (*program)
                execl(program, program, (char *)NULL);
            _exit(*program ? 127 : 0);
        }
        waitpid(child, NULL, 0);
    }
}

/* A child of the same program: on SIGUSR1 its records flow, then it exits. */
static pid_t twin(long records) {
    pid_t child = fork();
    if (child != 0)
        return child;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigset_t wake;
    sigemptyset(&wake);
    sigaddset(&wake, SIGUSR1);
    int got;
    sigwait(&wake, &got);
    flow(records);
    _exit(0);
}

static void obey(const char *word, long number, const char *rest) {
    pid_t child = 0;
    if (strcmp(word, "flow") == 0)
        flow(number);
    else if (strcmp(word, "hold") == 0)
        hold(number);
    else if (strcmp(word, "brood") == 0)
        brood(number, rest);
    else if (strcmp(word, "twin") == 0)
        child = twin(number);
    else if (strcmp(word, "wake") == 0)
        kill((pid_t)number, SIGUSR1), waitpid((pid_t)number, NULL, 0);
    else if (strcmp(word, "become") == 0)
        execl(rest, rest, (char *)NULL);
    else if (strcmp(word, "exit") == 0)
        exit((int)number);
    printf("%s %d\n", word, child);
}

int main(void) {
    sigset_t wake;
    sigemptyset(&wake);
    sigaddset(&wake, SIGUSR1);
    sigprocmask(SIG_BLOCK, &wake, NULL);
    setvbuf(stdout, NULL, _IOLBF, 0);
    /* Unbuffered, so that a program that this one becomes finds the lines meant for it. */
    setvbuf(stdin, NULL, _IONBF, 0);
    printf("ready %d\n", getpid());
    for (char line[512]; fgets(line, sizeof line, stdin);) {
        char word[16] = "", rest[400] = "";
        long number = 0;
        if (sscanf(line, "%15s %ld %399s", word, &number, rest) > 0)
            obey(word, number, rest);
    }
    return 0;
}
