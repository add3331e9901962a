;;; tbfg --- A tiny build farm for GNU Guix
;;;
;;; This file is part of tbfg, which is free software under the GNU General
;;; Public License, version 3 or later.  See the file COPYING.

(define-module (tbfg services farm)
  #:use-module (gnu services)
  #:use-module (gnu services admin)
  #:use-module (gnu services configuration)
  #:use-module (gnu services shepherd)
  #:use-module (gnu system shadow)
  #:use-module (guix gexp)
  #:use-module (guix records)
  #:use-module (ice-9 match)
  #:use-module (srfi srfi-1)
  #:use-module (srfi srfi-26)
  #:use-module (tbfg fields)
  #:use-module (tbfg packages)
  #:use-module (tbfg services agent)
  #:use-module (tbfg services actions)
  #:use-module (tbfg services collections)
  #:use-module (tbfg services common)
  #:use-module (tbfg services hooks)
  #:use-module (tbfg toml)
  #:use-module (tbfg types)
  #:export (tbfg-declared-agent
            tbfg-declared-agent?
            tbfg-declared-agent-fields

            tbfg-configuration
            tbfg-configuration?
            tbfg-configuration-fields

            tbfg-settings
            tbfg-shepherd-services
            tbfg-activation
            tbfg-service-type))

;;; Commentary:
;;;
;;; The service for the machine that is the farm's head, and builds itself
;;; unless told otherwise.
;;;
;;; Code:


;;;
;;; Configuration.
;;;

(define (tags-settings field tags)
  "The serializer of tags, an alist from keys to values or lists of values."
  (if (null? tags)
      '()
      `((("tags") unquote
         (list->vector
          (append-map (match-lambda
                        ((key . (? string? value))
                         (list (string-append key "=" value)))
                        ((key . values)
                         (map (cut string-append key "=" <>) values)))
                      tags))))))

(define-settings tbfg-declared-agent
  (name (name)
        (in "") "The agent's name.")
  (description (maybe-text #f)
               (in "") "What people should know of it.")
  (systems (systems '())
           (in "")
           "List of the systems that it may build for; the empty list for those
that it asks for.")
  (tags (tags '()) tags-settings
        "Its tags, an alist from keys to values or lists of values."))

(define-field-type (declared-agents value)
  (and (not (and (list? value)
                 (every tbfg-declared-agent? value)))
       (format #f "~s is not a list of tbfg-declared-agent records" value)))

(define (agents-settings field agents)
  "The serializer of declared agents."
  (check-names field "agents" agents tbfg-declared-agent-name
               tbfg-declared-agent-source-location)
  (tables "agents" agents tbfg-declared-agent-fields))

(define-field-type (local-agent value)
  (cond
    ((not value)
     #f)
    ((not (tbfg-agent-configuration? value))
     (format #f "~s is neither a tbfg-agent-configuration nor #f" value))
    ((or (tbfg-agent-configuration-authentication value)
         (pair? (tbfg-agent-configuration-extra-options value)))
     "the local agent is part of the farm's program and gets its credentials by \
itself: it has no authentication and no extra-options")
    (else #f)))

(define-settings tbfg-configuration
  (package (program tbfg) nowhere
           "The package to use.")
  (user (name "tbfg") nowhere
        "The user that the farm runs as.")
  (group (name "tbfg") nowhere
         "That user's group.")
  (supplementary-groups
   (texts '()) nowhere
   "Further groups of that user, such as the one that may connect to a
guix-daemon with a restricted @code{socket-directory-group}.")
  (state-directory (file-name "/var/lib/tbfg")
                   (in "" "state_dir")
                   "Where the farm keeps its database, logs and secrets.")
  (log-directory (file-name "/var/log/tbfg") nowhere
                 "Where its own log goes, as @file{tbfg.log}.")
  (log-level (log-level "info")
             (in "")
             "What is logged: @code{\"debug\"}, @code{\"info\"},
@code{\"warn\"} or @code{\"error\"}.")
  (grace (duration "1m")
         (in "")
         "How long running builds may go on when the farm is told to stop.")

  ;; Endpoints.
  (agent-listen (some-endpoints '("0.0.0.0:8745"))
                (in "coordinator")
                "List of addresses where agents connect.  They authenticate.")
  (agent-certificate (maybe-file-name #f)
                     (in "coordinator")
                     "A file with the certificate, as PEM, and those that
certify it, for agents to connect by @code{https}; @code{#f} for @code{http}.")
  (agent-certificate-key (maybe-file-name #f)
                         (in "coordinator")
                         "A file with its private key, which only the farm's
user can read.  Both may be replaced while the farm runs.")
  (client-listen (some-endpoints '("127.0.0.1:8746"))
                 (in "coordinator")
                 "List of addresses for commands and the front end.  On
loopback nothing is asked; elsewhere the client token must be shown.")
  (client-token-file (maybe-file-name #f)
                     (in "coordinator")
                     "A file with the token that clients from other machines
must show, which only the farm's user can read; @code{#f} for
@file{secrets/client.token} in the state directory, which the farm makes.")
  (client-hosts (texts '())
                (in "coordinator")
                "List of names under which clients reach the farm, besides
@code{localhost}, addresses and the host's name.")
  (client-socket (maybe-file-name #f)
                 (in "coordinator")
                 "A Unix socket for commands besides.  They look for
@file{/run/tbfg/client.socket} by themselves; the directory @file{/run/tbfg} is
made for it.")
  (client-group (maybe-name #f)
                (in "coordinator")
                "The group, one that exists, whose members may use
@code{client-socket}; @code{#f} for the farm's own.")
  (public-reads? (flag #f)
                 (flag-in "coordinator")
                 "Whether @code{agent-listen} serves what front ends read,
builds, agents and events, to everyone.")
  (front-listen (endpoints '("127.0.0.1:8747"))
                (in "front" "listen")
                "List of addresses of the log endpoint, such as
@code{\"0.0.0.0:80\"}; the empty list for none.  Everyone who can connect can
read all logs, and outputs that are kept.")
  (bffe (maybe-url #f)
        (in "front")
        "URL of the Build Farm Front-End, such as
@code{\"http://localhost:8767\"}, which gets all requests at
@code{front-listen} but those for logs; @code{#f} for a small page of our own.")
  (substitutes? (flag #t)
                (flag-in "front")
                "Whether outputs that are kept (@code{keep-outputs?}) are
served at @code{front-listen} too, as substitutes that
@file{secrets/signing.key} in the state directory signs.")

  ;; Where things come from.
  (derivation-substitute-urls (urls '("https://data.guix.gnu.org"))
                              (in "coordinator")
                              "List of the URLs of substitute servers for
derivations that the store lacks, unless a submission names some.  The local
agent uses them too.")
  (non-derivation-substitute-urls (urls '()) nowhere
                                  "List of the URLs of substitute servers from
which the local agent gets everything else; the empty list leaves it to the
guix-daemon.")

  ;; Who builds.
  (local-agent (local-agent (tbfg-agent-configuration)) nowhere
               "How this machine builds: a @code{tbfg-agent-configuration}
without authentication, or @code{#f} if it does not.  Of its fields those count
that say how to build.")
  (agents (declared-agents '()) agents-settings
          "List of @code{tbfg-declared-agent} records: the farm makes these
agents known at start, each with a token with which it enrols.")
  (collections (collections '()) collections-settings
               "List of @code{tbfg-collection} records: sets of packages of
which the farm gives an account.")

  ;; Who is told.
  (hooks (hooks '()) hooks-settings
         "List of what is told of events: pairs of an event and a program, a
list of a program and its arguments, or a gexp, and @code{tbfg-hook} records.
Programs read the event as JSON from their standard input.")
  (parallel-hooks (maybe-count #f)
                  (in "")
                  "How many hooks run at the same time; @code{#f} for four.")

  ;; What is kept.
  (keep-builds-for (maybe-duration #f)
                   (in "coordinator")
                   "How long ended builds and their logs are kept; @code{#f}
for ever.")
  (keep-builds (maybe-count #f)
               (in "coordinator")
               "How many ended builds are kept with their logs, the newest
ones; @code{#f} for all.")
  (keep-outputs? (flag #f)
                 (flag-in "coordinator")
                 "Whether agents send what they built, to be kept as long as
the build.")
  (max-output-size (maybe-count #f)
                   (in "coordinator")
                   "Largest output that is kept, in bytes; @code{#f} for 64
gibibytes.")
  (keep-events (maybe-count #f)
               (in "coordinator")
               "How many events are kept for front ends that come back to the
stream, 0 for all; @code{#f} for a hundred thousand.")
  (keep-events-for (maybe-duration #f)
                   (in "coordinator")
                   "How long events are kept, @code{\"0s\"} for ever;
@code{#f} for a week.")
  (event-keep-alive (maybe-duration #f)
                    (in "coordinator")
                    "After how long without an event the stream gets an empty
comment; @code{#f} for never.")
  (min-free-space (maybe-count #f)
                  (in "coordinator")
                  "No builds are handed out while the disk of the state
directory has fewer bytes free; @code{#f} for a gibibyte.")
  (max-log-size (maybe-count #f)
                (in "coordinator")
                "Largest log of a build, in bytes; @code{#f} for four
gibibytes.")
  (database (maybe-file-name #f)
            (in "coordinator")
            "The database file; @code{#f} for @file{tbfg.db} in the state
directory.")

  ;; What happens when something fails.
  (setup-retry (maybe-duration #f)
               (in "coordinator")
               "How long a build waits after an agent could not set it up, at
first; @code{#f} for half a minute.")
  (max-setup-retry (maybe-duration #f)
                   (in "coordinator")
                   "The longest such wait; @code{#f} for an hour.")
  (max-setup-failures (maybe-count #f)
                      (in "coordinator")
                      "After how many setup failures a build fails, missing
inputs not counted, 0 for never; @code{#f} for twenty.")
  (submit-missing-inputs? (flag #t)
                          (flag-in "coordinator")
                          "Whether to submit builds of inputs that an agent
cannot get.")
  (lease (maybe-duration #f)
         (in "coordinator")
         "How long an agent may be silent before its builds go to others,
@code{\"0s\"} for ever; @code{#f} for ten minutes.")
  (max-lost-agents (maybe-count #f)
                   (in "coordinator")
                   "A build fails when this many agents fell silent while they
had it, 0 for never; @code{#f} for three.")
  (retry-failures (maybe-count #f)
                  (in "coordinator")
                  "How many times a failed build is submitted again by itself;
@code{#f} for none.")

  ;; The rest.
  (environment-variables (texts '()) nowhere
                         "List of further environment variables, such as
@code{\"TMPDIR=/srv/tmp\"}, for the farm and its hooks.")
  (extra-settings (settings '()) nowhere
                  "List of further settings, pairs of a key with its table,
such as @code{\"coordinator.lease\"}, and its value."))

(define (tbfg-settings config)
  "Return the settings in the configuration file of a farm."
  (match-record config <tbfg-configuration>
                (local-agent derivation-substitute-urls
                             non-derivation-substitute-urls extra-settings)
    (define (by-default key urls)
      (if (and local-agent
               (pair? urls))
          `((("local_agent" ,key) unquote
             (list->vector urls)))
          '()))

    (append (settings-of config tbfg-configuration-fields)
            (by-default "derivation_substitute_urls"
                        derivation-substitute-urls)
            (by-default "non_derivation_substitute_urls"
                        non-derivation-substitute-urls)
            (local-agent-settings local-agent)
            (extra-settings->settings extra-settings))))


;;;
;;; Service.
;;;

(define (endpoint-gexp name endpoint)
  "Return a gexp of the Shepherd's endpoint NAME for ENDPOINT, a string."
  (let* ((host (endpoint-host endpoint))
         (family (if (string-index host #\:)
                     #~AF_INET6
                     #~AF_INET)))
    #~(endpoint (make-socket-address #$family
                                     (inet-pton #$family
                                                #$host)
                                     #$(endpoint-port endpoint))
                #:name #$name
                #:backlog 1024)))

(define (sockets-service config)
  "Return the Shepherd service that has the sockets of CONFIG.  Shepherd's own
systemd-style services close theirs with the process and so refuse connections
while that is restarted."
  (match-record config <tbfg-configuration>
                (agent-listen client-listen front-listen)
    (define endpoints
      (append-map (lambda (name addresses)
                    (map (lambda (address)
                           (endpoint-gexp name address)) addresses))
                  '("agent" "client" "front")
                  (list agent-listen client-listen front-listen)))

    (shepherd-service (documentation
                       "Keep the build farm's sockets open while the farm \
itself is restarted.")
                      (provision '(tbfg-sockets))
                      (requirement '(networking user-processes))
                      (modules %modules)
                      (respawn? #f)
                      (start #~(lambda _
                                 (let ((endpoints (list #$@endpoints)))
                                   (map cons
                                        (map endpoint-name endpoints)
                                        (open-sockets endpoints)))))
                      (stop #~(lambda (sockets)
                                (for-each close-port
                                          (map cdr sockets)) #f)))))

(define (groups-of config)
  "Return the supplementary groups of the farm's user.  Only a member can give
the clients' socket to a group."
  (match-record config <tbfg-configuration>
                (supplementary-groups client-group)
    (if client-group
        (delete-duplicates (cons client-group supplementary-groups))
        supplementary-groups)))

(define (farm-service config)
  (match-record config <tbfg-configuration>
                (package user group state-directory log-directory grace
                         environment-variables client-listen
                         client-token-file)
    (shepherd-service (documentation "Run the build farm (tbfg serve).")
                      (provision '(tbfg))
                      (requirement '(tbfg-sockets guix-daemon networking
                                                  user-processes))
                      (respawn-limit %respawn-limit)
                      (respawn-delay %respawn-delay)
                      (modules (append %modules %action-modules))
                      (start (start-gexp #~(list #$(file-append package
                                                                "/bin/tbfg")
                                                 "serve"
                                                 "--config=/etc/tbfg/config.toml")
                                         #:user user
                                         #:group group
                                         #:supplementary-groups
                                         (groups-of config)
                                         #:cache state-directory
                                         #:log-file (string-append
                                                     log-directory "/tbfg.log")
                                         #:sockets 'tbfg-sockets
                                         #:environment environment-variables))
                      (stop (stop-gexp grace))
                      (actions (farm-actions #:package package
                                             #:user user
                                             #:state-directory state-directory
                                             #:client
                                             (or (find loopback?
                                                       client-listen)
                                                 (first client-listen))
                                             #:token-file
                                             client-token-file)))))

(define (tbfg-shepherd-services config)
  (list (sockets-service config)
        (farm-service config)))

(define (tbfg-activation config)
  (match-record config <tbfg-configuration>
                (user state-directory log-directory client-socket)
    (activation-gexp user
                     `((,state-directory #o755)
                       ,@(if (and client-socket
                                  (string-prefix? "/run/tbfg/" client-socket))
                             '(("/run/tbfg" #o755))
                             '())
                       (,(string-append state-directory "/secrets") #o700)
                       (,(string-append state-directory "/backups") #o700))
                     log-directory
                     '())))

(define (tbfg-accounts config)
  (match-record config <tbfg-configuration>
                (user group state-directory)
    (service-accounts user group
                      (groups-of config) state-directory
                      "tbfg build farm")))

(define (tbfg-etc config)
  `(("tbfg/config.toml" ,(toml-file "config.toml"
                                    (tbfg-settings config)))))

(define tbfg-service-type
  (service-type (name 'tbfg)
                (extensions (list (service-extension
                                   shepherd-root-service-type
                                   tbfg-shepherd-services)
                                  (service-extension activation-service-type
                                                     tbfg-activation)
                                  (service-extension account-service-type
                                                     tbfg-accounts)
                                  (service-extension etc-service-type tbfg-etc)
                                  (service-extension profile-service-type
                                                     (compose list
                                                      tbfg-configuration-package))
                                  ;; The Shepherd rotates the logs of its
                                  ;; services, if it is told to rotate logs.
                                  (service-extension log-rotation-service-type
                                                     (const '()))))
                (default-value (tbfg-configuration))
                (description
                 "Run a build farm for GNU Guix: a coordinator, a log endpoint
and, unless told otherwise, an agent that builds on this machine.")))
