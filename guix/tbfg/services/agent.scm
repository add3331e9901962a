;;; tbfg --- A tiny build farm for GNU Guix
;;;
;;; This file is part of tbfg, which is free software under the GNU General
;;; Public License, version 3 or later.  See the file COPYING.

(define-module (tbfg services agent)
  #:use-module (gnu packages admin)
  #:use-module (gnu services)
  #:use-module (gnu services admin)
  #:use-module (gnu services configuration)
  #:use-module (gnu services shepherd)
  #:use-module (gnu system shadow)
  #:use-module (guix diagnostics)
  #:use-module (guix gexp)
  #:use-module (guix i18n)
  #:use-module (guix records)
  #:use-module (ice-9 match)
  #:use-module (srfi srfi-1)
  #:use-module (tbfg fields)
  #:use-module (tbfg packages)
  #:use-module (tbfg services common)
  #:use-module (tbfg toml)
  #:use-module (tbfg types)
  #:export (tbfg-agent-password-auth
            tbfg-agent-password-auth?
            tbfg-agent-password-auth-uuid
            tbfg-agent-password-auth-password

            tbfg-agent-password-file-auth
            tbfg-agent-password-file-auth?
            tbfg-agent-password-file-auth-uuid
            tbfg-agent-password-file-auth-password-file
            tbfg-agent-password-file-auth-fields

            tbfg-agent-dynamic-auth
            tbfg-agent-dynamic-auth?
            tbfg-agent-dynamic-auth-agent-name
            tbfg-agent-dynamic-auth-token
            tbfg-agent-dynamic-auth-fields

            tbfg-agent-dynamic-auth-with-file
            tbfg-agent-dynamic-auth-with-file?
            tbfg-agent-dynamic-auth-with-file-agent-name
            tbfg-agent-dynamic-auth-with-file-token-file
            tbfg-agent-dynamic-auth-with-file-fields

            tbfg-agent-configuration
            tbfg-agent-configuration?
            tbfg-agent-configuration-fields
            tbfg-agent-configuration-authentication
            tbfg-agent-configuration-extra-options
            tbfg-agent-configuration-extra-settings
            tbfg-agent-configuration-source-location

            local-agent-settings
            tbfg-agent-settings
            tbfg-agent-shepherd-services
            tbfg-agent-activation
            tbfg-agent-service-type))

;;; Commentary:
;;;
;;; The service for machines that build for a coordinator elsewhere.  Its
;;; fields are those of guix-build-coordinator-agent-service-type, and more.
;;;
;;; Code:


;;;
;;; Authentication.
;;;

(define-settings tbfg-agent-password-auth
  (uuid (uuid)
        (in "agent") "The agent's UUID, as @command{tbfg agent new} printed it.")
  (password (text) nowhere
            "Its password.  Everybody on the machine can read it, since the
declaration ends in the store: better use @code{tbfg-agent-password-file-auth}."))

(define-settings tbfg-agent-password-file-auth
  (uuid (uuid)
        (in "agent") "The agent's UUID, as @command{tbfg agent new} printed it.")
  (password-file (file-name)
                 (in "agent")
                 "A file with its password that only the agent's user can
read."))

(define-settings tbfg-agent-dynamic-auth
  (agent-name (name)
              (in "agent" "name") "The name under which the agent enrols.")
  (token (text) nowhere
         "A token that @command{tbfg token new} printed.  Everybody on the
machine can read it, since the declaration ends in the store: better use
@code{tbfg-agent-dynamic-auth-with-file}."))

(define-settings tbfg-agent-dynamic-auth-with-file
  (agent-name (name)
              (in "agent" "name") "The name under which the agent enrols.")
  (token-file (file-name)
              (in "agent" "dynamic_auth_token_file")
              "A file with the token that only the agent's user can read."))

(define-field-type (authentication value)
  (and (not (or (tbfg-agent-password-auth? value)
                (tbfg-agent-password-file-auth? value)
                (tbfg-agent-dynamic-auth? value)
                (tbfg-agent-dynamic-auth-with-file? value)))
       (format #f "~s is not one of tbfg-agent-password-auth, \
tbfg-agent-password-file-auth, tbfg-agent-dynamic-auth and \
tbfg-agent-dynamic-auth-with-file" value)))


;;;
;;; Configuration.
;;;

(define-settings tbfg-agent-configuration
  (package (program tbfg) nowhere
           "The package to use.")
  (user (name "tbfg-agent") nowhere
        "The user that the agent runs as.")
  (group (name "tbfg-agent") nowhere
         "That user's group.")
  (supplementary-groups
   (texts '()) nowhere
   "Further groups of that user, such as the one that may connect to a
guix-daemon with a restricted @code{socket-directory-group}.")
  (coordinator (url "http://localhost:8745")
               (in "agent") "URL of the coordinator.")
  (authentication (maybe-authentication #f) nowhere
                  "How the agent shows who it is: one of the four records
@code{tbfg-agent-password-auth}, @code{tbfg-agent-password-file-auth},
@code{tbfg-agent-dynamic-auth} and @code{tbfg-agent-dynamic-auth-with-file}.
Only a farm's local agent needs none.")
  (name (maybe-name #f)
        (in "local_agent")
        "The name of a farm's local agent; @code{#f} for the host's.")
  (systems (maybe-systems #f)
           (in "builder")
           "List of the systems to build for; @code{#f} for this machine's.")
  (max-parallel-builds (maybe-count #f)
                       (in "builder")
                       "How many builds run at the same time; @code{#f} for
half the processors.")
  (max-parallel-uploads (maybe-count #f)
                        (in "builder")
                        "How many uploads run at the same time; @code{#f} for
one.")
  (max-allocated-builds (maybe-count #f)
                        (in "builder")
                        "How many builds the agent holds in all; @code{#f} for
twice as many as may run.")
  (max-1min-load-average (maybe-load #f)
                         (in "builder")
                         "No build starts while the load average is above
this; @code{#f} for the number of processors.")
  (derivation-substitute-urls (maybe-urls #f)
                              (in "builder")
                              "List of the URLs of substitute servers for
derivations; @code{#f} leaves it to the guix-daemon.")
  (non-derivation-substitute-urls (maybe-urls #f)
                                  (in "builder")
                                  "List of the URLs of substitute servers for
everything else; @code{#f} leaves it to the guix-daemon.")
  (cores (maybe-count #f)
         (in "builder")
         "How many processors one build may use; @code{#f} leaves it to the
guix-daemon.")
  (build-timeout (maybe-duration #f)
                 (in "builder")
                 "How long a build may take, unless it has a tag
@code{timeout}; @code{#f} leaves it to the guix-daemon.")
  (max-silent-time (maybe-duration #f)
                   (in "builder")
                   "How long a build may write nothing, unless it has a tag
@code{max-silent-time}; @code{#f} leaves it to the guix-daemon.")
  (max-log-size (maybe-count #f)
                (in "builder")
                "A build whose log gets larger than this many bytes fails;
@code{#f} for two gibibytes.")
  (allow-existing-outputs? (flag #f)
                           (flag-in "builder")
                           "Whether outputs that are there already count as
built, instead of being deleted and built again.")
  (output-compression (maybe-compression #f)
                      (in "builder")
                      "How outputs are sent if the coordinator wants them:
@code{\"lzip\"}, @code{\"zstd\"} or @code{\"none\"}; @code{#f} for lzip.")
  (min-free-space (maybe-count #f)
                  (in "builder")
                  "No builds are asked for or begun while the disk of the
store or the spool has fewer bytes free; @code{#f} for a gibibyte.")
  (daemon-socket (maybe-text #f)
                 (in "builder")
                 "Address of the guix-daemon; @code{#f} for the usual one.")
  (ca-file (maybe-file-name #f)
           (in "agent")
           "A file with the certificates, as PEM, of the authorities that
certify an @code{https} coordinator; @code{#f} for the system's.")
  (metrics-listen (endpoints '())
                  (in "agent")
                  "List of addresses where the agent serves metrics for
Prometheus, such as @code{\"127.0.0.1:9745\"}.")
  (spool-directory (maybe-file-name #f)
                   (in "agent" "spool_dir")
                   "Where logs under way are kept; @code{#f} for a directory
in @file{/var/cache/tbfg-agent}.")
  (grace (duration "1m")
         (in "")
         "How long running builds may go on when the agent is told to stop.")
  (log-level (log-level "info")
             (in "")
             "What is logged: @code{\"debug\"}, @code{\"info\"},
@code{\"warn\"} or @code{\"error\"}.")
  (extra-options (texts '()) nowhere
                 "List of further options of @command{tbfg agent run}.")
  (extra-settings (settings '()) nowhere
                  "List of further settings, pairs of a key with its table,
such as @code{\"agent.max_parallel_builds\"}, and its value."))

(define (settings-in config table)
  "Return CONFIG's settings for TABLE."
  (filter-map (match-lambda
                (((setting-table key) . value)
                 (cond
                   ((string=? setting-table "builder")
                    `((,table ,key) unquote value))
                   ((string=? setting-table table)
                    `((,table ,key) unquote value))
                   (else #f)))
                (((key) . value) #f))
              (settings-of config tbfg-agent-configuration-fields)))

(define (local-agent-settings config)
  "Return the settings of a farm's local agent, CONFIG or #f."
  `((("local_agent" "enabled") unquote (->bool config))
    ,@(if config
          (settings-in config "local_agent")
          '())))

(define (tbfg-agent-settings config)
  "Return the settings in the configuration file of an agent."
  (append (filter (match-lambda
                    (((key) . _) #t)
                    (_ #f))
                  (settings-of config tbfg-agent-configuration-fields))
          (settings-in config "agent")
          (match (tbfg-agent-configuration-authentication config)
            ((? tbfg-agent-password-file-auth? auth)
             (settings-of auth tbfg-agent-password-file-auth-fields))
            ((? tbfg-agent-password-auth? auth)
             `((("agent" "password_file") unquote %written-secret)
               ,@(settings-of auth tbfg-agent-password-auth-fields)))
            ((? tbfg-agent-dynamic-auth-with-file? auth)
             (settings-of auth tbfg-agent-dynamic-auth-with-file-fields))
            ((? tbfg-agent-dynamic-auth? auth)
             `((("agent" "dynamic_auth_token_file") unquote %written-secret)
               ,@(settings-of auth tbfg-agent-dynamic-auth-fields)))
            (_ '()))
          (extra-settings->settings
           (tbfg-agent-configuration-extra-settings config))))


;;;
;;; Service.
;;;

(define %secrets-directory "/var/lib/tbfg-agent")

(define %written-secret
  ;; Where a password or token of the declaration goes: the program reads it
  ;; from a file only.
  (string-append %secrets-directory "/secret"))

(define (declared-secret auth)
  (match auth
    ((? tbfg-agent-password-auth? auth)
     (tbfg-agent-password-auth-password auth))
    ((? tbfg-agent-dynamic-auth? auth)
     (tbfg-agent-dynamic-auth-token auth))
    (_ #f)))

(define %agent-respawn-delay
  ;; So long that %respawn-limit is never reached: when a reconfiguration starts
  ;; the agent, nobody has yet given its user the file with the password, and
  ;; the Shepherd would disable the service before that is done.
  7)

(define (tbfg-agent-shepherd-services config)
  (match-record config <tbfg-agent-configuration>
                (package user group supplementary-groups authentication grace
                         extra-options)
    (unless authentication
      (reject (tbfg-agent-configuration-source-location config)
              'authentication "an agent needs one of the authentication records"))
    (when (declared-secret authentication)
      (warning (tbfg-agent-configuration-source-location config)
               (G_ "tbfg: the agent's password or token can be read in the \
store; name a file with it instead~%")))
    (list (shepherd-service (documentation
                             "Build for a coordinator (tbfg agent run).")
                            (provision '(tbfg-agent))
                            (requirement '(guix-daemon networking
                                                       user-processes))
                            (respawn-limit %respawn-limit)
                            (respawn-delay %agent-respawn-delay)
                            (modules %modules)
                            (start (start-gexp #~(list #$(file-append package
                                                          "/bin/tbfg")
                                                  "agent"
                                                  "run"
                                                  "--config=/etc/tbfg/agent.toml"
                                                  #$@extra-options)
                                               #:user user
                                               #:group group
                                               #:supplementary-groups
                                               supplementary-groups
                                               #:cache
                                               "/var/cache/tbfg-agent"
                                               #:log-file
                                               "/var/log/tbfg/agent.log"))
                            (stop (stop-gexp grace))
                            (actions (list (shepherd-configuration-action
                                            "/etc/tbfg/agent.toml")))))))

(define (tbfg-agent-activation config)
  (match-record config <tbfg-agent-configuration>
                (user spool-directory authentication)
    (activation-gexp user
                     `(("/var/cache/tbfg-agent" #o700)
                       (,%secrets-directory #o700)
                       ,@(if spool-directory
                             `((,spool-directory #o700))
                             '())) "/var/log/tbfg"
                     (match (declared-secret authentication)
                       (#f '())
                       (secret `((,%written-secret ,secret)))))))

(define (tbfg-agent-accounts config)
  (match-record config <tbfg-agent-configuration>
                (user group supplementary-groups)
    (service-accounts user group supplementary-groups "/var/empty"
                      "tbfg agent")))

(define (tbfg-agent-etc config)
  `(("tbfg/agent.toml" ,(toml-file "agent.toml"
                                   (tbfg-agent-settings config)))))

(define tbfg-agent-service-type
  (service-type (name 'tbfg-agent)
                (extensions (list (service-extension
                                   shepherd-root-service-type
                                   tbfg-agent-shepherd-services)
                                  (service-extension activation-service-type
                                                     tbfg-agent-activation)
                                  (service-extension account-service-type
                                                     tbfg-agent-accounts)
                                  (service-extension etc-service-type
                                                     tbfg-agent-etc)
                                  (service-extension profile-service-type
                                                     (compose list
                                                      tbfg-agent-configuration-package))
                                  ;; The Shepherd rotates the logs of its
                                  ;; services, if it is told to rotate logs.
                                  (service-extension log-rotation-service-type
                                                     (const '()))))
                (description
                 "Run an agent that builds for the coordinator of a build farm,
of tbfg or of the Guix Build Coordinator.")))
