;;; tbfg --- A tiny build farm for GNU Guix
;;;
;;; This file is part of tbfg, which is free software under the GNU General
;;; Public License, version 3 or later.  See the file COPYING.

(define-module (tbfg services hooks)
  #:use-module (guix gexp)
  #:use-module (ice-9 match)
  #:use-module (srfi srfi-1)
  #:use-module (tbfg fields)
  #:use-module (tbfg types)
  #:export (tbfg-hook
            tbfg-hook?
            tbfg-hook-fields

            tbfg-data-service
            tbfg-data-service?
            tbfg-data-service-fields

            hooks-settings))

;;; Commentary:
;;;
;;; What is told of events: programs and data services.
;;;
;;; Code:

(define-settings tbfg-data-service
  (url (url)
       (in "") "URL of a Guix Data Service.")
  (build-server-id (count)
                   (in "") "The number by which it knows this farm.")
  (token-file (file-name)
              (in "")
              "A file with the token that it wants, which only the farm's user
can read."))

(define-field-type (data-service value)
  (and (not (tbfg-data-service? value))
       (format #f "~s is not a tbfg-data-service" value)))

(define-settings tbfg-hook
  (name (name)
        (in "")
        "The hook's name in messages.  Events that wait for it are kept under
this name.")
  (events (events)
          (in "") "List of the events it is told of, symbols.")
  (command (maybe-command #f)
           (in "")
           "List of a program and its arguments.  It reads the event as JSON
from its standard input.")
  (data-service (maybe-data-service #f)
                (in "")
                "Report builds to this Guix Data Service; instead of
@code{command}.")
  (timeout (maybe-duration #f)
           (in "")
           "How long it may take before it is killed; @code{#f} for five
minutes.")
  (attempts (maybe-count #f)
            (in "")
            "After how many failures it is not told of an event again until
@command{tbfg hooks retry}; @code{#f} for ten."))

(define (hook-problem hook)
  (match hook
    ((? tbfg-hook?)
     #f)
    ((event . action)
     (or (events-problem (list event))
         (match action
           ((? gexp?)
            #f)
           ((? list?)
            (command-problem action))
           (_ (command-problem (list action))))))
    (_ (format #f "~s is neither a pair of an event and a program or gexp nor a \
tbfg-hook" hook))))

(define (names hooks)
  "Return the names of HOOKS.  One that is a pair is called like its event, with
a number if there are several."
  (fold (lambda (hook names)
          (match hook
            ((? tbfg-hook?)
             (append names
                     (list (tbfg-hook-name hook))))
            ((event . _)
             (let* ((name (symbol->string event))
                    (same (count (lambda (other)
                                   (and (pair? other)
                                        (eq? event
                                             (car other))))
                                 (take hooks
                                       (length names)))))
               (append names
                       (list (if (zero? same) name
                                 (format #f "~a-~a" name
                                         (+ same 1)))))))))
        '() hooks))

(define-field-type (hooks value)
  (or (if (list? value)
          (any hook-problem value)
          (format #f "~s is not a list of hooks" value))
      (let ((names (names value)))
        (any (lambda (name others)
               (and (member name others)
                    (format #f "there are two hooks called ~s" name))) names
             (pair-fold-right cons
                              '()
                              (match names
                                (()
                                 '())
                                ((_ . rest)
                                 (append rest
                                         '(#f)))))))))

(define (plain settings)
  "Return SETTINGS, whose keys have one part, as an alist."
  (map (match-lambda
         (((key) . value)
          (cons key
                (match value
                  ((? tbfg-data-service?)
                   (plain (settings-of value tbfg-data-service-fields)))
                  (#((? symbol? events) ...)
                   (list->vector (map symbol->string events)))
                  (_ value))))) settings))

(define (hook-table hook name)
  (match hook
    ((? tbfg-hook?)
     (plain (settings-of hook tbfg-hook-fields)))
    ((event . action)
     `(("name" unquote name)
       ("events" unquote
        (vector (symbol->string event)))
       ("command" unquote
        (match action
          ((? gexp?)
           (vector (program-file (string-append "tbfg-hook-" name) action)))
          ((? list?)
           (list->vector action))
          (_ (vector action))))))))

(define (hooks-settings field hooks)
  "The serializer of the field with the hooks."
  (if (null? hooks)
      '()
      `((("hook") tables
         ,@(map hook-table hooks
                (names hooks))))))
