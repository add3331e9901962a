;;; tbfg --- A tiny build farm for GNU Guix
;;;
;;; This file is part of tbfg, which is free software under the GNU General
;;; Public License, version 3 or later.  See the file COPYING.

(define-module (tbfg services actions)
  #:use-module (gnu packages bash)
  #:use-module (gnu services shepherd)
  #:use-module (guix gexp)
  #:export (farm-actions))

;;; Commentary:
;;;
;;; What "herd ACTION tbfg" does.
;;;
;;; Code:

(define (run-gexp package user client)
  "Return a gexp of a procedure that runs the program with arguments as USER and
shows what it writes."
  #~(lambda arguments
      ;; The Shepherd must go on meanwhile, so there is no pipe to wait for.
      (let* ((port (mkstemp (string-copy "/tmp/tbfg-action-XXXXXX") "w+"))
             (file (port-filename port)))
        (chown port
               (passwd:uid (getpwnam #$user))
               (passwd:gid (getpwnam #$user)))
        (let* ((status (spawn-command (cons* #$(file-append bash-minimal
                                                            "/bin/sh") "-c"
                                       "out=$1; shift; exec \"$@\" >\"$out\" 2>&1"
                                       "sh" file
                                       #$(file-append package "/bin/tbfg")
                                       arguments)
                                      #:user #$user
                                      #:directory "/"
                                      #:environment-variables
                                      (list #$(string-append
                                               "TBFG_COORDINATOR=http://"
                                               client))))
               (text (let loop ((lines '()))
                       (let ((line (read-line port 'concat)))
                         (if (eof-object? line)
                             (string-concatenate (reverse lines))
                             (loop (cons line lines)))))))
          (close-port port)
          (delete-file file)
          (if (zero? status)
              (begin
                (display text) #t)
              (error (string-trim-right text)))))))

(define* (farm-actions #:key package user state-directory client)
  "Return the actions of the farm's service."
  (define run
    (run-gexp package user client))

  (define (agents-action verb documentation)
    (shepherd-action (name verb)
                     (documentation
                      (string-append documentation
                       "  Without arguments this machine's agent is meant, else
those with the UUIDs or names given."))
                     (procedure #~(lambda (running . agents)
                                    (for-each (lambda (agent)
                                                (#$run "agent"
                                                       #$(symbol->string verb)
                                                       agent))
                                              (if (null? agents)
                                                  (list (call-with-input-file #$
                                                         (string-append
                                                          state-directory
                                                          "/secrets/local-agent.uuid")
                                                          read-line)) agents))))))

  (list (shepherd-action (name 'reload)
                         (documentation
                          "Have the farm read its configuration again.")
                         (procedure #~(lambda (running)
                                        (kill (process-id running) SIGHUP) #t)))
        (shepherd-action (name 'agents)
                         (documentation "List the agents.")
                         (procedure #~(lambda (running . options)
                                        (apply #$run "agent" "list" options))))
        (shepherd-action (name 'builds)
                         (documentation
                          "List builds.  Arguments are options of \"tbfg build
list\".")
                         (procedure #~(lambda (running . options)
                                        (apply #$run "build" "list" options))))
        (agents-action 'pause
         "Give agents no more builds for now; they keep those that they have.")
        (agents-action 'resume "Give agents builds again.")
        (agents-action 'drain
         "Let agents finish what they have and give them no more.")
        (shepherd-action (name 'backup)
                         (documentation
                          "Copy the farm's database into a new file: the one
that is named, or one in the state directory's \"backups\" that is called by the
time.")
                         (procedure #~(lambda* (running #:optional
                                                (file (strftime #$(string-append
                                                                   state-directory
                                                                   "/backups/tbfg-%Y-%m-%dT%H:%M:%SZ.db")
                                                       (gmtime (current-time)))))
                                        (#$run "backup"
                                               "--config=/etc/tbfg/config.toml"
                                               file)
                                        (format #t "~a~%" file) #t)))
        (shepherd-configuration-action "/etc/tbfg/config.toml")))
