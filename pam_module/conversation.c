/* Talking to the person through the conversation that the application gave. */

#include "conversation.h"

#include <security/_pam_types.h>
#include <security/pam_ext.h>
#include <security/pam_modules.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

/* What was typed may be a code or, by mistake, a password. */
static void
wipe_and_free(struct pam_response *response)
{
    if (response == NULL)
        return;
    if (response->resp != NULL) {
        explicit_bzero(response->resp, strlen(response->resp));
        free(response->resp);
    }
    free(response);
}

/* Return whether the conversation worked; *response may be NULL even then, as
   after Ctrl-D in su. */
static bool
converse(const pam_handle_t *pamh, int style, const char *text,
         struct pam_response **response)
{
    struct pam_message message = {.msg_style = style, .msg = text};
    const struct pam_message *messages = &message;
    const struct pam_conv *conv = NULL;
    const void *item = NULL;
    int code = PAM_CONV_ERR;

    if (pam_get_item(pamh, PAM_CONV, &item) == PAM_SUCCESS)
        conv = item;
    if (conv != NULL && conv->conv != NULL)
        code = conv->conv(1, &messages, response, conv->appdata_ptr);
    if (code == PAM_SUCCESS)
        return true;
    pam_syslog(pamh, LOG_NOTICE, "conversation failed: code %d", code);
    *response = NULL; /* undefined after a failure, so not ours to free */
    return false;
}

static bool
show(const pam_handle_t *pamh, int style, const char *text)
{
    struct pam_response *response = NULL;
    bool shown = converse(pamh, style, text, &response);

    wipe_and_free(response);
    return shown;
}

bool
conversation_info(const pam_handle_t *pamh, const char *text)
{
    return show(pamh, PAM_TEXT_INFO, text);
}

bool
conversation_error(const pam_handle_t *pamh, const char *text)
{
    return show(pamh, PAM_ERROR_MSG, text);
}

bool
conversation_prompt(const pam_handle_t *pamh, const char *text,
                    struct typed *typed)
{
    struct pam_response *response = NULL;

    typed->length = 0;
    if (!converse(pamh, PAM_PROMPT_ECHO_ON, text, &response))
        return false;
    if (response != NULL && response->resp != NULL) {
        typed->length = strnlen(response->resp, sizeof(typed->bytes));
        memcpy(typed->bytes, response->resp, typed->length);
    }
    wipe_and_free(response);
    return true;
}
