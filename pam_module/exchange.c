/* One login attempt from the first datagram to the verdict. */

#include "exchange.h"
#include "attempt.h"
#include "conversation.h"
#include "daemon.h"
#include "marks.h"
#include "text.h"
#include "typed.h"
#include "watch.h"

#include <errno.h>
#include <security/pam_ext.h>
#include <string.h>
#include <syslog.h>

enum {
    TIMEOUT = 120,     /* seconds until the module gives up */
    TIMEOUT_LOGIN = 50 /* login(1) is killed after 60 */
};

static const char text_expired[] =
    "pushmfa: nobody answered in time; this login is refused.";
/* A line of its own, behind the ^C that the terminal has echoed. */
static const char text_canceled[] = "\npushmfa: canceled.";

struct exchange {
    pam_handle_t *pamh;
    const struct options *options;
    const struct service *service;
    struct attempt attempt;
    struct watch watch;
    bool heard;    /* the daemon has answered the first datagram */
    bool flushed;  /* input older than the number is gone */
    bool informed; /* an information line is shown, and no prompt stands */
};

static int
choose_timeout(const struct options *options, const struct service *service)
{
    if (options->timeout != 0)
        return options->timeout;
    return service->is_login ? TIMEOUT_LOGIN : TIMEOUT;
}

/* No terminal and no ssh client that brings its own: a prompt would fail. */
static bool
has_screen(const struct exchange *exchange)
{
    return exchange->service->conn != NULL || exchange->watch.terminal >= 0;
}

/* What was typed before the number is on the screen was not meant for us. */
static void
flush_once(struct exchange *exchange)
{
    if (!exchange->flushed && exchange->watch.terminal >= 0)
        typed_flush(exchange->watch.terminal);
    exchange->flushed = true;
}

/* su always, sudo -S and sudo without a terminal write an information line to
   standard output: into the file or the pipe of the command, where nobody sees
   the number.  An error line goes to the terminal or to standard error. */
static bool
show_info(struct exchange *exchange, const char *text)
{
    flush_once(exchange);
    exchange->informed = true;
    if (has_screen(exchange) && !exchange->service->is_local)
        return conversation_info(exchange->pamh, text);
    return conversation_error(exchange->pamh, text);
}

/* The daemon may have spoken its verdict and gone while the person typed: a
   failure to send is no reason not to hear it. */
static void
send_typed(struct exchange *exchange, const struct typed *typed)
{
    char datagram[PROTOCOL_TYPED_MAX + 1];
    size_t length = protocol_compose_typed(datagram, typed);

    if (watch_seconds_left(&exchange->watch) == 0)
        return; /* we refuse now: a recovery code must not be used up for it */
    if (!daemon_send(exchange->watch.daemon, datagram, length) &&
        exchange->options->debug)
        pam_syslog(exchange->pamh, LOG_DEBUG, "what was typed: not sent: %s",
                   strerror(errno));
    explicit_bzero(datagram, sizeof(datagram));
}

static bool
show_prompt(struct exchange *exchange, const char *text)
{
    struct typed typed = {0};
    bool shown;

    if (exchange->options->display == DISPLAY_INFO || !has_screen(exchange))
        shown = show_info(exchange, text);
    else {
        flush_once(exchange);
        shown = conversation_prompt(exchange->pamh, text, &typed);
    }
    if (shown)
        send_typed(exchange, &typed);
    explicit_bzero(&typed, sizeof(typed));
    return shown;
}

static enum verdict
refuse(struct exchange *exchange, enum verdict verdict, const char *text)
{
    if (text[0] != '\0')
        (void)conversation_error(exchange->pamh, text);
    return verdict;
}

/* An approval is taken for a real attempt only, and its text is not shown:
   sshd would print it twice. */
static enum verdict
take_verdict(struct exchange *exchange, const struct message *message)
{
    if (message->verdict != VERDICT_APPROVED)
        return refuse(exchange, message->verdict, message->text);
    if (exchange->options->role == ROLE_ATTEMPT)
        return VERDICT_APPROVED;
    pam_syslog(exchange->pamh, LOG_ERR, "decoy was approved: refused");
    return refuse(exchange, VERDICT_UNAVAILABLE, CONVERSATION_UNAVAILABLE);
}

/* Handle one datagram.  Return whether it was the last, with *verdict. */
static bool
hear_daemon(struct exchange *exchange, enum verdict *verdict)
{
    struct message message;
    bool shown = false;

    *verdict = VERDICT_UNAVAILABLE;
    if (!daemon_receive(exchange->watch.daemon, exchange->pamh, &message)) {
        *verdict =
            refuse(exchange, VERDICT_UNAVAILABLE, CONVERSATION_UNAVAILABLE);
        return true;
    }
    exchange->heard = true;
    switch (message.kind) {
    case MESSAGE_VERDICT:
        *verdict = take_verdict(exchange, &message);
        return true;
    case MESSAGE_INFO:
        shown = show_info(exchange, message.text);
        break;
    case MESSAGE_ERROR:
        shown = conversation_error(exchange->pamh, message.text);
        break;
    case MESSAGE_PROMPT:
        shown = show_prompt(exchange, message.text);
        break;
    }
    *verdict = VERDICT_CANCELED; /* if not shown: nobody saw the number */
    return !shown;
}

static void
hear_typed(struct exchange *exchange)
{
    struct typed typed = {0};

    if (typed_read(exchange->watch.terminal, &typed))
        send_typed(exchange, &typed);
    explicit_bzero(&typed, sizeof(typed));
}

static enum verdict
time_is_up(struct exchange *exchange)
{
    if (exchange->heard)
        return refuse(exchange, VERDICT_EXPIRED, text_expired);
    pam_syslog(exchange->pamh, LOG_ERR,
               "daemon did not answer within %d seconds; 'pushmfa check' tells "
               "more",
               DAEMON_PATIENCE);
    return refuse(exchange, VERDICT_UNAVAILABLE, CONVERSATION_UNAVAILABLE);
}

static enum verdict
converse_with_daemon(struct exchange *exchange, int64_t first_limit)
{
    const struct watch *watch = &exchange->watch;
    enum verdict verdict = VERDICT_UNAVAILABLE;
    bool done = false;

    while (!done) {
        int64_t limit = exchange->heard ? watch->deadline : first_limit;
        bool typed = exchange->informed && exchange->service->is_local;

        switch (watch_wait(watch, limit, typed)) {
        case EVENT_DAEMON:
            done = hear_daemon(exchange, &verdict);
            break;
        case EVENT_TYPED:
            hear_typed(exchange);
            break;
        case EVENT_DEADLINE:
            return time_is_up(exchange);
        case EVENT_HANGUP:
            pam_syslog(exchange->pamh, LOG_NOTICE, "client or terminal gone");
            return VERDICT_CANCELED;
        case EVENT_INTERRUPTED:
            return refuse(exchange, VERDICT_CANCELED, text_canceled);
        case EVENT_FAILED:
            pam_syslog(exchange->pamh, LOG_ERR, "cannot wait: %s",
                       strerror(errno));
            return refuse(exchange, VERDICT_UNAVAILABLE,
                          CONVERSATION_UNAVAILABLE);
        }
    }
    return verdict;
}

/* Return the verdict of the daemon, or ours if it gives none. */
static enum verdict
ask_daemon(struct exchange *exchange)
{
    const struct first_datagram *first = &exchange->attempt.first;
    struct watch *watch = &exchange->watch;
    int64_t first_limit = watch_now() + (int64_t)DAEMON_PATIENCE * 1000;

    if (exchange->options->debug)
        pam_syslog(exchange->pamh, LOG_DEBUG,
                   "asking the daemon at %s, %u seconds left",
                   exchange->options->socket, watch_seconds_left(watch));
    watch->daemon = daemon_connect(exchange->pamh, exchange->options->socket);
    if (watch->daemon < 0)
        return refuse(exchange, VERDICT_UNAVAILABLE, CONVERSATION_UNAVAILABLE);
    if (!daemon_send(watch->daemon, first->bytes, first->length)) {
        pam_syslog(exchange->pamh, LOG_ERR, "cannot tell the daemon: %s",
                   strerror(errno));
        return refuse(exchange, VERDICT_UNAVAILABLE, CONVERSATION_UNAVAILABLE);
    }
    watch_client(watch, exchange->service->conn);
    watch_signals(watch);
    return converse_with_daemon(exchange, first_limit);
}

static void
log_verdict(const struct exchange *exchange, enum verdict verdict)
{
    pam_syslog(exchange->pamh,
               verdict == VERDICT_APPROVED ? LOG_INFO : LOG_NOTICE,
               "login attempt %s user=%s service=%s", verdict_name(verdict),
               text_word(exchange->attempt.user).text,
               text_word(exchange->service->name).text);
}

static bool
describe(struct exchange *exchange, const char *phase, int flags)
{
    unsigned wait;

    if (!attempt_name_user(&exchange->attempt, exchange->pamh))
        return false;
    wait = watch_seconds_left(&exchange->watch); /* the name may take long */
    if (wait == 0)
        pam_syslog(exchange->pamh, LOG_NOTICE, "no time is left to ask");
    return wait > 0 && attempt_describe(&exchange->attempt, exchange->pamh,
                                        exchange->options, exchange->service,
                                        phase, flags, wait);
}

enum verdict
exchange_run(pam_handle_t *pamh, const struct options *options,
             const struct service *service, const char *phase, int flags)
{
    struct exchange exchange = {
        .pamh = pamh, .options = options, .service = service};
    enum verdict verdict = VERDICT_UNAVAILABLE;

    watch_start(&exchange.watch, choose_timeout(options, service));
    if (service->conn == NULL)
        watch_terminal(&exchange.watch);
    if (describe(&exchange, phase, flags))
        verdict = ask_daemon(&exchange);
    else
        (void)conversation_error(pamh, CONVERSATION_UNAVAILABLE);
    if (verdict == VERDICT_APPROVED &&
        !attempt_is_same_user(&exchange.attempt, pamh))
        verdict =
            refuse(&exchange, VERDICT_UNAVAILABLE, CONVERSATION_UNAVAILABLE);
    log_verdict(&exchange, verdict);
    watch_end(&exchange.watch);
    return verdict;
}
