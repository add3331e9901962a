;;; tbfg --- A tiny build farm for GNU Guix
;;;
;;; This file is part of tbfg, which is free software under the GNU General
;;; Public License, version 3 or later.  See the file COPYING.

(define-module (tbfg build actions)
  #:use-module (ice-9 textual-ports)
  ;; Not there yet when a channel's modules are compiled.
  #:autoload (shepherd service) (current-service spawn-command)
  #:export (run-command))

;;; Commentary:
;;;
;;; What actions of our services do inside the Shepherd.
;;;
;;; Code:

(define* (run-command command
                      #:key shell user (environment-variables '()))
  "Run COMMAND, a program with its arguments, as USER, and show what it writes.
SHELL is the file name of a shell.  Fail with what it wrote if it fails."
  ;; The Shepherd must go on meanwhile, so that nothing is read from a pipe.
  (let* ((port (mkstemp (string-copy "/tmp/tbfg-action-XXXXXX") "w+"))
         (file (port-filename port))
         (user (getpwnam user)))
    (chown port
           (passwd:uid user)
           (passwd:gid user))
    (let* ((status
            ;; As the service whose action this is, the command would take the
            ;; place of the daemon as what writes the service's log.
            (parameterize ((current-service #f))
              (spawn-command (cons* shell
                                    "-c"
                                    "out=$1; shift; exec \"$@\" >\"$out\" 2>&1"
                                    "sh"
                                    file
                                    command)
                             #:user (passwd:name user)
                             #:group (group:name (getgrgid (passwd:gid user)))
                             #:directory "/"
                             #:environment-variables environment-variables)))
           (text (get-string-all port)))
      (close-port port)
      (delete-file file)
      (unless (zero? status)
        (error (string-trim-right text)))
      (display text)
      #t)))
