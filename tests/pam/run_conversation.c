/* Runs conversation files against the module, through the real libpam:
     run_conversation MODULE CASE...
   Every case is a process of its own.  README.md describes the files. */

#include "case.h"
#include "report.h"
#include "script.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { JOBS = 16 }; /* most of them sleep */

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

/* Return this program: valgrind translates the link when it is read, only. */
static const char *
program(void)
{
    static char path[SCRIPT_TEXT];
    ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);

    if (length < 0)
        give_up(0, "cannot find this program: %s", strerror(errno));
    path[length] = '\0';
    return path;
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
    (void)execv(program(), arguments);
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
        if (status == 0)
            tally->passed++;
        else if (WIFEXITED(status) && WEXITSTATUS(status) == CASE_NEEDS_ROOT) {
            tally->failed++;
            printf("failed %s: needs root\n", jobs[i].path);
        } else {
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
        return case_run(path, NULL);
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
