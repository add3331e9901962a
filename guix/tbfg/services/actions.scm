;;; tbfg --- A tiny build farm for GNU Guix
;;;
;;; This file is part of tbfg, which is free software under the GNU General
;;; Public License, version 3 or later.  See the file COPYING.

(define-module (tbfg services actions)
  #:use-module (gnu packages bash)
  #:use-module (gnu services shepherd)
  #:use-module (guix gexp)
  #:export (%action-modules
            farm-actions))

;;; Commentary:
;;;
;;; What "herd ACTION tbfg" does.
;;;
;;; Code:

(define %action-modules
  ;; Modules that the actions need inside the Shepherd.
  '((ice-9 rdelim)
    (tbfg build actions)))

(define* (farm-actions #:key package user state-directory client token-file)
  "Return the actions of the farm's service."
  (define (run arguments)
    "Return a gexp that runs the program with ARGUMENTS, a list-valued gexp."
    (with-imported-modules '((tbfg build actions))
      #~(run-command (cons #$(file-append package "/bin/tbfg")
                           #$arguments)
                     #:shell #$(file-append bash-minimal "/bin/sh")
                     #:user #$user
                     #:environment-variables
                     '(#$(string-append "TBFG_COORDINATOR=http://" client)
                       #$@(if token-file
                              (list (string-append "TBFG_TOKEN_FILE="
                                                   token-file))
                              '())))))

  (define (action-on-agents verb documentation)
    (shepherd-action
      (name verb)
      (documentation
       (string-append documentation "  Arguments are UUIDs of agents; without \
them this machine's agent is meant."))
      (procedure
       #~(lambda (running . agents)
           (for-each (lambda (agent)
                       #$(run #~(list "agent"
                                      #$(symbol->string verb) agent)))
                     (if (null? agents)
                         (list (call-with-input-file #$(string-append
                                                        state-directory
                                                        "/secrets/local-agent.uuid")
                                 read-line)) agents))))))

  (list (shepherd-action
          (name 'reload)
          (documentation "Have the farm read its configuration again, and say \
what came of it.  The farm does so by itself when the file changes.")
          (procedure #~(lambda (running)
                         #$(run #~(list "reload")))))
        (shepherd-action
          (name 'agents)
          (documentation "List the agents.  Arguments are options of \"tbfg \
agent list\".")
          (procedure #~(lambda (running . options)
                         #$(run #~(cons* "agent" "list" options)))))
        (shepherd-action
          (name 'builds)
          (documentation "List builds.  Arguments are options of \"tbfg build \
list\".")
          (procedure #~(lambda (running . options)
                         #$(run #~(cons* "build" "list" options)))))
        (action-on-agents 'pause
         "Give agents no more builds for now; they keep those that they have.")
        (action-on-agents 'resume "Give agents builds again.")
        (action-on-agents 'drain
         "Let agents finish what they have and give them no more.")
        (shepherd-action
          (name 'backup)
          (documentation "Copy the farm's database into a new file: the one \
that is named, or one in the state directory's \"backups\" called by the time.")
          (procedure
           #~(lambda* (running #:optional
                               (file (strftime #$(string-append
                                                  state-directory
                                                  "/backups/tbfg-%Y-%m-%dT%H:%M:%SZ.db")
                                               (gmtime (current-time)))))
               #$(run #~(list "backup" "--config=/etc/tbfg/config.toml" file))
               (format #t "~a~%" file)
               #t)))
        (shepherd-configuration-action "/etc/tbfg/config.toml")))
