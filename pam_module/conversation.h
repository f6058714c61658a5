/* Talking to the person through the conversation that the application gave.

   PAM_SILENT is not honored: sudo sets it always, and would hide the number.
   Nothing is asked with echo off: sshd's password method answers such a prompt
   with the password. */

#ifndef PUSHMFA_CONVERSATION_H
#define PUSHMFA_CONVERSATION_H

#include "protocol.h"

#include <security/_pam_types.h>
#include <stdbool.h>

/* What the person is told whenever it is not the daemon that refuses; the log
   says more than an attacker should read. */
#define CONVERSATION_UNAVAILABLE                                               \
    "pushmfa: not available; this login is refused. Tell your administrator."

/* Show text, printable ASCII.  Return false if the conversation failed. */
bool conversation_info(const pam_handle_t *pamh, const char *text);
bool conversation_error(const pam_handle_t *pamh, const char *text);

/* Show text as a prompt and wait for a line, however long that takes.  Store
   at most PROTOCOL_TYPED_MAX bytes of it in *typed; no answer at all is an
   empty one.  Return false if the conversation failed.  Wipe *typed. */
bool conversation_prompt(const pam_handle_t *pamh, const char *text,
                         struct typed *typed);

#endif
