/* Plays conversations with one call failing, for every call that the module
   makes and every way in which it plausibly fails:
     run_faults MODULE CASE...
   Each must end in a refusal, without a leak, a crash or a hang. */

#include "case.h"
#include "faults.h"
#include "harmless.h"
#include "prompts.h"
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <security/pam_appl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { JOBS = 24, WAYS = 5 };

/* How each call fails.  EINTR is no failure: see is_survived(). */
static const struct {
    const char *call;
    int errors[WAYS]; /* the first 0 ends them */
} ways[] = {
    {"open", {ENOENT, EACCES, EMFILE}},
    {"read", {EIO, EINTR, FAULT_END}},
    {"close", {EIO}},
    {"lstat", {ENOENT, EACCES}},
    {"socket", {EMFILE, ENOMEM}},
    {"setsockopt", {ENOMEM}},
    {"connect", {ECONNREFUSED, EAGAIN, EACCES, EINTR}},
    {"getsockopt", {ENOTCONN}},
    {"send", {EPIPE, ECONNRESET, EMSGSIZE, ENOBUFS, EINTR}},
    {"recvmsg", {ENOMEM, ENOTCONN, ECONNRESET, EINTR, FAULT_END}},
    {"poll", {ENOMEM, EINTR}},
    {"getpeername", {ENOBUFS}},
    {"sigprocmask", {EINVAL}},
    {"signalfd", {EMFILE, ENOMEM}},
    {"clock_gettime", {EINVAL}},
    {"tcflush", {EIO}},
    {"tcgetpgrp", {ENOTTY}},
    {"tcgetattr", {EIO}},
    {"malloc", {ENOMEM}},
    {"calloc", {ENOMEM}},
    {"realloc", {ENOMEM}},
    {"strdup", {ENOMEM}},
    {"pam_get_item", {PAM_SYSTEM_ERR, PAM_BAD_ITEM}},
    {"pam_get_user", {PAM_CONV_ERR, PAM_CONV_AGAIN, PAM_BUF_ERR}},
    {"pam_set_data", {PAM_BUF_ERR}},
    {"pam_get_data", {PAM_SYSTEM_ERR}},
    {"conversation", {PAM_CONV_ERR, PAM_CONV_AGAIN, PAM_BUF_ERR}},
};

struct job {
    const char *path;
    struct run *run;
    pid_t pid; /* 0 = free */
    int output;
};

static struct {
    int points;
    int passed;
    int failed;
} tally;

static struct run *current; /* of the process that plays */

static void
note_code(int code, bool wanted)
{
    if (current->calls < FAULTS_CODES)
        current->codes[current->calls++] = code;
    if (!wanted)
        current->changed = true;
}

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl*,misc-use-internal-linkage)
   names of the linker.  The application's own work is not the module's; but it
   can fail. */
int __real_prompts_converse(int count, const struct pam_message **messages,
                            struct pam_response **responses, void *appdata);
int __wrap_prompts_converse(int count, const struct pam_message **messages,
                            struct pam_response **responses, void *appdata);
int
__wrap_prompts_converse(int count, const struct pam_message **messages,
                        struct pam_response **responses, void *appdata)
{
    int code = faults_due("conversation", "");
    const char *before = faults_inside(NULL);

    if (code == 0)
        code = __real_prompts_converse(count, messages, responses, appdata);
    (void)faults_inside(before);
    return code;
}

/* NOLINTEND(bugprone-reserved-identifier,cert-dcl*,misc-use-internal-linkage)
 */

static void
play(const struct job *job)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (null < 0 || dup2(null, STDIN_FILENO) < 0 ||
        dup2(job->output, STDOUT_FILENO) < 0 ||
        dup2(job->output, STDERR_FILENO) < 0)
        _exit(1);
    (void)close(null);
    current = job->run;
    if (job->run->planned.call[0] != '\0')
        report_tolerate();
    faults_begin(job->run);
    exit(case_run(job->path, note_code));
}

static void
start(struct job *job)
{
    job->output = memfd_create("output", MFD_CLOEXEC);
    if (job->output < 0)
        give_up(0, "no memory for the output");
    (void)fflush(stdout);
    job->pid = fork();
    if (job->pid == 0)
        play(job);
}

/* An interrupted call is called again, and so is recvmsg() when the kernel
   reports a reset before the datagrams that came first. */
static bool
is_survived(const struct run *run)
{
    const char *call = run->planned.call;

    if (strncmp(call, "pam_", 4) == 0 || strcmp(call, "conversation") == 0)
        return false; /* its errors are no errno */
    return run->error == EINTR ||
           (run->error == ECONNRESET && strcmp(call, "recvmsg") == 0);
}

static bool
is_open(const struct run *run)
{
    return run->calls > 0 && run->codes[run->calls - 1] == PAM_SUCCESS;
}

/* Return what is wrong with the outcome, or NULL. */
static const char *
judge(const struct run *run)
{
    int i;

    if (!run->reached)
        return "the call was not made";
    for (i = 0; i < run->calls; i++)
        if (run->codes[i] == PAM_IGNORE || run->codes[i] == PAM_MAXTRIES)
            return "PAM_IGNORE or PAM_MAXTRIES";
    if (is_survived(run))
        return run->changed ? "an interruption changed the outcome" : NULL;
    if (is_open(run) && !harmless_has(run))
        return "PAM_SUCCESS";
    return NULL;
}

static void
report(const struct job *job, int status, const char *wrong)
{
    const struct run *run = job->run;
    char text[4096];
    ssize_t length = pread(job->output, text, sizeof(text), 0);

    printf("FAILED %s: %s (%s) number %d, error %d: %s\n", job->path,
           run->planned.call, run->planned.detail, run->planned.before + 1,
           run->error, wrong == NULL ? "not clean" : wrong);
    if (WIFSIGNALED(status))
        printf("  killed by signal %d\n", WTERMSIG(status));
    if (length > 0)
        (void)fwrite(text, 1, (size_t)length, stdout);
}

static void
finish(struct job jobs[])
{
    int status = 0;
    pid_t pid = wait(&status);
    const char *wrong = NULL;
    size_t i;

    for (i = 0; i < JOBS && jobs[i].pid != pid; i++)
        ;
    if (i == JOBS || jobs[i].run == NULL)
        return;
    wrong = judge(jobs[i].run);
    if (status == 0 && wrong == NULL)
        tally.passed++;
    else {
        tally.failed++;
        report(&jobs[i], status, wrong);
    }
    (void)close(jobs[i].output);
    (void)munmap(jobs[i].run, sizeof(*jobs[i].run));
    jobs[i].pid = 0;
}

static struct run *
new_run(void)
{
    struct run *run = mmap(NULL, sizeof(*run), PROT_READ | PROT_WRITE,
                           MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (run == MAP_FAILED)
        give_up(0, "no memory for a run");
    return run;
}

static struct job *
free_job(struct job jobs[])
{
    size_t i;

    for (;;) {
        for (i = 0; i < JOBS; i++)
            if (jobs[i].pid == 0)
                return &jobs[i];
        finish(jobs);
    }
}

static void
fail_once(struct job jobs[], const char *path, const struct point *point,
          int error)
{
    struct job *job;

    if (error == FAULT_END && point->before > 0 &&
        strcmp(point->call, "read") == 0)
        return; /* how a file ends */
    job = free_job(jobs);
    job->path = path;
    job->run = new_run();
    job->run->planned = *point;
    job->run->error = error;
    start(job);
}

static void
fail_point(struct job jobs[], const char *path, const struct point *point)
{
    size_t i, way;

    tally.points++;
    for (i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        if (strcmp(ways[i].call, point->call) != 0)
            continue;
        for (way = 0; way < WAYS && ways[i].errors[way] != 0; way++)
            fail_once(jobs, path, point, ways[i].errors[way]);
        return;
    }
    give_up(0, "no way to fail %s", point->call);
}

/* Play it once as written, to learn its points; then fail each of them. */
static void
fail_case(struct job jobs[], const char *path)
{
    struct job first = {.path = path, .run = new_run()};
    int status = 1, i;

    start(&first);
    if (waitpid(first.pid, &status, 0) != first.pid || status != 0 ||
        first.run->count == 0 || first.run->count == FAULTS_POINTS)
        give_up(0, "%s fails without a fault", path);
    (void)close(first.output);
    for (i = 0; i < first.run->count; i++)
        fail_point(jobs, path, &first.run->points[i]);
    (void)munmap(first.run, sizeof(*first.run));
}

static bool
is_busy(const struct job jobs[])
{
    size_t i;

    for (i = 0; i < JOBS; i++)
        if (jobs[i].pid != 0)
            return true;
    return false;
}

int
main(int argc, char **argv)
{
    struct job jobs[JOBS] = {{0}};
    int i;

    if (argc < 3) {
        (void)fprintf(stderr, "usage: %s MODULE CASE...\n", argv[0]);
        return 2;
    }
    (void)setenv("PUSHMFA_MODULE", argv[1], 1);
    for (i = 2; i < argc; i++)
        fail_case(jobs, argv[i]);
    while (is_busy(jobs))
        finish(jobs);
    tally.failed += harmless_unseen();
    printf("faults: %d points in %d conversations; %d passed, %d failed\n",
           tally.points, argc - 2, tally.passed, tally.failed);
    return tally.failed == 0 ? 0 : 1;
}
