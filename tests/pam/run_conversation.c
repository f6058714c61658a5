/* Runs conversation files against the module, through the real libpam:
     run_conversation MODULE CASE...
   Every case is a process of its own.  README.md describes the files. */

#include "application.h"
#include "fake_daemon.h"
#include "log_capture.h"
#include "report.h"
#include "script.h"
#include "theater.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    JOBS = 16,        /* most of them sleep */
    CASE_SECONDS = 40 /* then it is killed */
};

enum { STATUS_NEEDS_ROOT = 77 };

/* Block or handle signals as sudo does. */
static void
note_signal(int number)
{
    (void)number;
}

static void
arrange_signals(const struct script *script)
{
    struct sigaction action = {.sa_handler = note_signal};
    sigset_t blocked;

    /* As in sudo: a write to a daemon that is gone must not kill it. */
    (void)signal(SIGPIPE, SIG_DFL);
    if (script_option(script, "handle", NULL) != NULL)
        (void)sigaction(SIGTERM, &action, NULL);
    if (script_option(script, "block", NULL) == NULL)
        return;
    (void)sigemptyset(&blocked);
    (void)sigaddset(&blocked, SIGINT);
    (void)sigaddset(&blocked, SIGQUIT);
    (void)sigprocmask(SIG_BLOCK, &blocked, NULL);
}

static pid_t
start_daemon(const struct script *script, struct stage *stage)
{
    pid_t application = getpid();
    pid_t daemon;

    if (script->section[SECTION_DAEMON].count == 0)
        return -1;
    daemon = fork();
    if (daemon == 0) {
        (void)alarm(CASE_SECONDS);
        fake_daemon_play(script, stage, application);
    }
    return daemon;
}

static void
end_daemon(pid_t daemon, const struct stage *stage)
{
    struct pollfd polled = {.fd = stage->listener, .events = POLLIN};
    int status = 0;

    if (daemon > 0 && (waitpid(daemon, &status, 0) != daemon || status != 0))
        fail(0, "the fake daemon is not content");
    if (poll(&polled, 1, 0) == 1 && (polled.revents & POLLIN) != 0)
        fail(0, "an attempt that [daemon] does not know");
}

/* The application's side must not keep open what the daemon is to close. */
static void
close_far_ends(struct stage *stage)
{
    int *ends[] = {&stage->terminal, &stage->client, &stage->parent};
    size_t i;

    for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
        if (*ends[i] >= 0) {
            (void)close(*ends[i]);
            *ends[i] = -1;
        }
}

static int
run_case(const char *path)
{
    static struct script script;
    struct stage stage;
    char pid[16];
    pid_t daemon;

    (void)setsid();
    (void)alarm(CASE_SECONDS);
    script_read(&script, path);
    if (theater_needs_root(&script))
        return STATUS_NEEDS_ROOT;
    theater_build(&script, &stage);
    application_configure(&script);
    theater_adopt(&script, &stage);
    (void)snprintf(pid, sizeof(pid), "%d", getpid());
    (void)setenv("PUSHMFA_PID", pid, 1);
    arrange_signals(&script);
    daemon = start_daemon(&script, &stage);
    close_far_ends(&stage);
    application_run(&script);
    end_daemon(daemon, &stage);
    log_capture_compare(&script);
    theater_remove(&script);
    return failures();
}

/* Split argv = a|b|c in place; (long N) is sudo with an argument of N bytes. */
static void
make_arguments(const struct script *script, char *arguments[], size_t size)
{
    static char text[SCRIPT_TEXT];
    char *state = text, *word;
    size_t count = 0, length;

    (void)snprintf(text, sizeof(text), "%s",
                   script_option(script, "argv", "sshd: alice [pam]"));
    if (strncmp(text, "(long ", 6) == 0) {
        length = strtoul(text + 6, NULL, 10);
        arguments[count++] = strdup("sudo");
        arguments[count] = calloc(length + 1, 1);
        memset(arguments[count++], 'x', length);
    } else
        while ((word = strsep(&state, "|")) != NULL && count + 1 < size)
            arguments[count++] = word;
    arguments[count] = NULL;
}

/* Become a fresh process with the command line and environment of the case. */
static void
become_case(const char *path, int output)
{
    static struct script script;
    const struct lines *options = &script.section[SECTION_OPTIONS];
    char *arguments[16];
    size_t i;

    (void)dup2(output, STDOUT_FILENO);
    (void)dup2(output, STDERR_FILENO);
    script_read(&script, path);
    make_arguments(&script, arguments, sizeof(arguments) / sizeof(*arguments));
    (void)setenv("PUSHMFA_CASE", path, 1);
    for (i = 0; i < options->count; i++)
        if (strcmp(options->line[i].word, "process_env") == 0)
            (void)putenv(script.section[SECTION_OPTIONS].line[i].rest);
    (void)execv("/proc/self/exe", arguments);
    give_up(0, "cannot start the case: %s", strerror(errno));
}

struct job {
    const char *path;
    pid_t pid;  /* 0 = free */
    int output; /* a file in memory */
};

struct tally {
    int passed;
    int failed;
};

static void
start_job(struct job *job, const char *path)
{
    job->path = path;
    job->output = memfd_create("output", MFD_CLOEXEC);
    if (job->output < 0)
        give_up(0, "no memory for the output");
    job->pid = fork();
    if (job->pid == 0) {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);

        if (null < 0 || dup2(null, STDIN_FILENO) != STDIN_FILENO)
            _exit(1);
        become_case(path, job->output);
        _exit(1);
    }
}

static void
print_output(const struct job *job, int status)
{
    char text[4096];
    ssize_t length = pread(job->output, text, sizeof(text), 0);

    printf("FAILED %s\n", job->path);
    if (WIFSIGNALED(status))
        printf("  killed by signal %d\n", WTERMSIG(status));
    if (length > 0)
        (void)fwrite(text, 1, (size_t)length, stdout);
}

/* Wait for one of the jobs and count it. */
static void
finish_job(struct job jobs[], struct tally *tally)
{
    int status = 0;
    pid_t pid = wait(&status);
    size_t i;

    for (i = 0; i < JOBS; i++) {
        if (jobs[i].pid != pid)
            continue;
        if (WIFEXITED(status) && WEXITSTATUS(status) == STATUS_NEEDS_ROOT)
            printf("skipped %s: needs root\n", jobs[i].path);
        else if (status == 0)
            tally->passed++;
        else {
            tally->failed++;
            print_output(&jobs[i], status);
        }
        (void)close(jobs[i].output);
        jobs[i].pid = 0;
        return;
    }
}

static size_t
free_job(const struct job jobs[])
{
    size_t i;

    for (i = 0; i < JOBS; i++)
        if (jobs[i].pid == 0)
            break;
    return i;
}

int
main(int argc, char **argv)
{
    const char *path = getenv("PUSHMFA_CASE");
    struct job jobs[JOBS] = {{0}};
    struct tally tally = {0};
    int next = 2, running = 0;

    if (path != NULL)
        return run_case(path);
    if (argc < 3) {
        (void)fprintf(stderr, "usage: %s MODULE CASE...\n", argv[0]);
        return 2;
    }
    (void)setenv("PUSHMFA_MODULE", argv[1], 1);
    while (next < argc || running > 0) {
        size_t i = next < argc ? free_job(jobs) : JOBS;

        if (i < JOBS) {
            (void)fflush(stdout);
            start_job(&jobs[i], argv[next++]);
            running++;
        } else {
            finish_job(jobs, &tally);
            running--;
        }
    }
    printf("%d passed, %d failed\n", tally.passed, tally.failed);
    return tally.failed == 0 ? 0 : 1;
}
