/* One case: application, fake daemon and scenery, in a process of its own. */

#include "case.h"
#include "application.h"
#include "fake_daemon.h"
#include "log_capture.h"
#include "report.h"
#include "script.h"
#include "theater.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CASE_SECONDS = 40, FAULT_SECONDS = 15 }; /* then it is killed */

static unsigned
case_seconds(void)
{
    return report_is_tolerant() ? FAULT_SECONDS : CASE_SECONDS;
}

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
        (void)alarm(case_seconds());
        fake_daemon_play(script, stage, application);
    }
    return daemon;
}

static void
end_daemon(pid_t daemon, const struct stage *stage)
{
    struct pollfd polled = {.fd = stage->listener, .events = POLLIN};
    int status = 0;

    if (report_is_tolerant() && daemon > 0)
        (void)kill(daemon, SIGKILL); /* it may wait for what a fault ate */
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

int
case_run(const char *path, application_heard *heard)
{
    static struct script script;
    struct stage stage;
    char pid[16];
    pid_t daemon;

    (void)setsid();
    (void)alarm(case_seconds());
    script_read(&script, path);
    if (theater_needs_root(&script))
        return CASE_NEEDS_ROOT;
    theater_build(&script, &stage);
    application_configure(&script);
    theater_adopt(&script, &stage);
    (void)snprintf(pid, sizeof(pid), "%d", getpid());
    (void)setenv("PUSHMFA_PID", pid, 1);
    arrange_signals(&script);
    daemon = start_daemon(&script, &stage);
    close_far_ends(&stage);
    application_run(&script, heard);
    end_daemon(daemon, &stage);
    log_capture_compare(&script);
    theater_remove(&script);
    return failures();
}
