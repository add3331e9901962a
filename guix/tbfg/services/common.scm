;;; tbfg --- A tiny build farm for GNU Guix
;;;
;;; This file is part of tbfg, which is free software under the GNU General
;;; Public License, version 3 or later.  See the file COPYING.

(define-module (tbfg services common)
  #:use-module (gnu packages admin)
  #:use-module (gnu services shepherd)
  #:use-module (gnu system shadow)
  #:use-module (guix gexp)
  #:use-module (guix modules)
  #:use-module (ice-9 match)
  #:use-module (srfi srfi-1)
  #:use-module (tbfg fields)
  #:use-module (tbfg types)
  #:export (%modules
            %respawn-limit
            %respawn-delay
            start-gexp
            stop-gexp
            activation-gexp
            service-accounts
            check-names
            tables
            extra-settings->settings))

;;; Commentary:
;;;
;;; What the services of the farm and of an agent have in common.
;;;
;;; Code:

(define %modules
  ;; Modules that the code below needs inside the Shepherd.
  `((shepherd endpoints)
    ,@%default-modules))

;; A program that was killed is back after a second; one that cannot start, say
;; because of its configuration, is given up after ten times in a minute.
(define %respawn-limit
  ''(10 . 60))
(define %respawn-delay 1)

(define* (start-gexp command
                     #:key user
                     group
                     supplementary-groups
                     cache
                     log-file
                     (sockets #f)
                     (environment '()))
  "Return a gexp of a procedure that starts COMMAND, a list-valued gexp.  It
inherits the sockets that are the value of the service SOCKETS, a symbol."
  #~(lambda _
      (let ((sockets #$(if sockets
                           #~(service-running-value
                              (lookup-service '#$sockets))
                           #~'())))
        (fork+exec-command
         ;; The Shepherd puts the time before each line of a log.
         (append #$command '("--timestamp-log-output=false"))
         #:user #$user
         #:group #$group
         #:supplementary-groups '#$supplementary-groups
         #:directory "/"
         #:log-file #$log-file
         #:extra-ports (map cdr sockets)
         #:listen-pid-variable? #t
         #:environment-variables
         `(#$@environment
           ,@(if (null? sockets)
                 '()
                 (list (string-append "LISTEN_FDS="
                                      (number->string (length sockets)))
                       (string-append "LISTEN_FDNAMES="
                                      (string-join (map car sockets)
                                                   ":"))))
           #$(string-append "HOME=" cache)
           #$(string-append "XDG_CACHE_HOME=" cache)
           "PATH=/run/current-system/profile/bin")))))

(define (stop-gexp grace)
  "Return a gexp of a procedure that stops a process, which may take GRACE, a
duration, and a little longer."
  #~(make-kill-destructor #:grace-period
                          #$(+ 15 (duration-seconds grace))))

(define (activation-gexp user directories log-directory secrets)
  "Return a gexp that makes DIRECTORIES, lists of a file name and a mode, for
USER, LOG-DIRECTORY for the Shepherd, and files with SECRETS, lists of a file
name and a text."
  (with-imported-modules (source-module-closure '((gnu build activation)))
    #~(begin
        (use-modules (gnu build activation)
                     (ice-9 match))
        (let ((user (getpwnam #$user)))
          (for-each (match-lambda
                      ((directory mode)
                       (mkdir-p/perms directory user mode)))
                    '#$directories)
          (mkdir-p/perms #$log-directory
                         (getpwnam "root") #o755)
          (for-each (match-lambda
                      ((file text)
                       ;; The directory belongs to USER, who must not make us
                       ;; follow a link.
                       (let* ((new (string-append file ".new"))
                              (port (begin
                                      (false-if-exception (delete-file new))
                                      (open new
                                            (logior O_WRONLY O_CREAT O_EXCL
                                                    O_NOFOLLOW) #o600))))
                         (display text port)
                         (chown port
                                (passwd:uid user)
                                (passwd:gid user))
                         (close-port port)
                         (rename-file new file)))) '#$secrets)))))

(define (service-accounts name group supplementary-groups home comment)
  "Return the accounts of a service's user, called NAME."
  (list (user-group (name group)
                    (system? #t))
        (user-account
          (name name)
          (group group)
          (supplementary-groups supplementary-groups)
          (system? #t)
          (comment comment)
          (home-directory home)
          (create-home-directory? #f)
          (shell (file-append shadow "/sbin/nologin")))))

(define (check-names field what records name location)
  "Fail if two of RECORDS, the value of FIELD, have the same name.  NAME and
LOCATION are accessors; WHAT says what the records are."
  (fold (lambda (record names)
          (let ((name (name record)))
            (when (member name names)
              (reject (location record) field
                      (format #f "there are two ~a called ~s" what name)))
            (cons name names)))
        '() records))

(define (tables key records fields)
  "Return the settings of RECORDS with FIELDS, each of which becomes a table
[[KEY]]."
  (if (null? records)
      '()
      `(((,key) tables
         ,@(map (lambda (record)
                  (map (match-lambda
                         (((key) . value)
                          (cons key value)))
                       (settings-of record fields))) records)))))

(define (extra-settings->settings settings)
  "Return SETTINGS, which have their keys in one string, as (tbfg toml) has it."
  (map (match-lambda
         ((key . value)
          (cons (string-split key #\.)
                (if (list? value)
                    (list->vector value) value)))) settings))
