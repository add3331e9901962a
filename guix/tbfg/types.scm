;;; tbfg --- A tiny build farm for GNU Guix
;;;
;;; This file is part of tbfg, which is free software under the GNU General
;;; Public License, version 3 or later.  See the file COPYING.

(define-module (tbfg types)
  #:use-module (guix gexp)
  #:use-module (ice-9 match)
  #:use-module (ice-9 regex)
  #:use-module (srfi srfi-1)
  #:use-module (tbfg fields)
  #:use-module (web uri)
  #:export (endpoint-host
            endpoint-port
            loopback?
            duration-seconds
            %events))

;;; Commentary:
;;;
;;; The types of the fields of our records, as sentences about what is wrong.
;;;
;;; Code:

(define (first-problem value what problem)
  "Return what PROBLEM says of the first item of VALUE that it finds fault with."
  (if (list? value)
      (any problem value)
      (format #f "~s is not a list of ~a" value what)))

(define-field-type (text value)
  (cond
    ((not (string? value))
     (format #f "~s is not a string" value))
    ((string-null? value)
     "the string is empty")
    (else #f)))

(define-field-type (texts value)
  (first-problem value "strings" text-problem))

(define-field-type (file-name value)
  (and (not (and (string? value)
                 (string-prefix? "/" value)))
       (format #f "~s is not an absolute file name" value)))

(define-field-type (file value)
  (and (not (file-like? value))
       (file-name-problem value)))

(define-field-type (files value)
  (first-problem value "files" file-problem))

(define-field-type (program value)
  (and (not (file-like? value))
       (format #f "~s is not a package" value)))

(define-field-type (flag value)
  (and (not (boolean? value))
       (format #f "~s is neither #t nor #f" value)))

(define-field-type (count value)
  (and (not (and (exact-integer? value)
                 (>= value 0)))
       (format #f "~s is not a whole number from 0" value)))

(define-field-type (integer value)
  (and (not (exact-integer? value))
       (format #f "~s is not a whole number" value)))

(define-field-type (load value)
  (and (not (and (real? value)
                 (>= value 0)))
       (format #f "~s is not a number from 0" value)))


;;;
;;; Times.
;;;

(define %duration
  (make-regexp "^([0-9]+(\\.[0-9]+)?(h|m|s|ms))+$"))

(define-field-type (duration value)
  (and (not (and (string? value)
                 (regexp-exec %duration value)))
       (format #f
        "~s is not a duration such as \"90s\", \"15m\" or \"1h30m\"" value)))

(define %times
  (let ((day "(mon|tue|wed|thu|fri|sat|sun)"))
    (make-regexp (string-append "^(" day "(," day ")* )?"
                                "([01]?[0-9]|2[0-3]):[0-5][0-9]$"))))

(define-field-type (schedule value)
  (and (not (and (string? value)
                 (or (regexp-exec %duration value)
                     (regexp-exec %times value))))
       (format #f "~s is neither an interval such as \"6h\" nor a time in UTC \
such as \"04:30\" or \"mon,thu 04:30\"" value)))

(define (duration-seconds duration)
  "Return the seconds of DURATION, a string, rounded up."
  (inexact->exact
   (ceiling
    (apply +
           (map (lambda (part)
                  (* (string->number (match:substring part 1))
                     (match (match:substring part 3)
                       ("h" 3600)
                       ("m" 60)
                       ("s" 1)
                       ("ms" 1/1000))))
                (list-matches "([0-9]+(\\.[0-9]+)?)(ms|h|m|s)" duration))))))


;;;
;;; Places.
;;;

(define-field-type (url value)
  (let ((uri (and (string? value)
                  (false-if-exception (string->uri value)))))
    (and (not (and uri
                   (memq (uri-scheme uri)
                         '(http https))
                   (uri-host uri)
                   (not (string-null? (uri-host uri)))))
         (format #f "~s is not a http:// or https:// URL" value))))

(define-field-type (urls value)
  (first-problem value "URLs" url-problem))

(define %endpoint
  (make-regexp "^(.*):([0-9]+)$"))

(define (endpoint-host endpoint)
  "Return the IP address of ENDPOINT, a string, as a string; #f if it has none."
  (match (and=> (regexp-exec %endpoint endpoint)
                (lambda (parts)
                  (match:substring parts 1)))
    (#f #f)
    ("localhost" "127.0.0.1")
    ((? (lambda (host)
          (and (string-prefix? "[" host)
               (string-suffix? "]" host))) host)
     (let ((address (string-trim-both host
                                      (char-set #\[ #\]))))
       (and (false-if-exception (inet-pton AF_INET6 address)) address)))
    (host
     (and (false-if-exception (inet-pton AF_INET host)) host))))

(define (endpoint-port endpoint)
  "Return the port of ENDPOINT, a string, as a number."
  (string->number (match:substring (regexp-exec %endpoint endpoint) 2)))

(define (endpoint-problem value)
  (cond
    ((not (and (string? value)
               (endpoint-host value)))
     (format #f "~s is not an IP address and a port such as \
\"127.0.0.1:8745\" or \"[::]:8745\"" value))
    ((not (<= 1 (endpoint-port value) 65535))
     (format #f "the port of ~s is not one of 1 to 65535" value))
    (else #f)))

(define-field-type (endpoints value)
  (first-problem value "addresses" endpoint-problem))

(define-field-type (some-endpoints value)
  (if (null? value)
      "there must be an address"
      (endpoints-problem value)))

(define (loopback? endpoint)
  "Return whether only this machine can connect to ENDPOINT, a string."
  (let ((host (endpoint-host endpoint)))
    (or (string-prefix? "127." host)
        (string=? host "::1"))))


;;;
;;; Names.
;;;

(define %system
  (make-regexp "^[a-z0-9_]+-[a-z]+$"))

(define-field-type (systems value)
  (first-problem value "systems"
                 (lambda (system)
                   (and (not (and (string? system)
                                  (regexp-exec %system system)))
                        (format #f "~s is not a system such as \
\"x86_64-linux\"" system)))))

(define-field-type (log-level value)
  (and (not (member value
                    '("debug" "info" "warn" "error")))
       (format #f "~s is not one of \"debug\", \"info\", \"warn\" and \"error\""
               value)))

(define-field-type (compression value)
  (and (not (member value
                    '("lzip" "zstd" "none")))
       (format #f "~s is not one of \"lzip\", \"zstd\" and \"none\"" value)))

(define %name
  (make-regexp "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"))

(define-field-type (name value)
  (and (not (and (string? value)
                 (regexp-exec %name value)))
       (format #f "~s is not a name of letters, digits and . _ - that begins \
with a letter or digit" value)))

(define-field-type (uuid value)
  (and (not (and (string? value)
                 (string-match "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
                               value)))
       (format #f "~s is not a UUID as \"tbfg agent new\" prints it" value)))

(define-field-type (tags value)
  (first-problem value "pairs of strings"
                 (lambda (tag)
                   (and (not (and (pair? tag)
                                  (string? (car tag))
                                  (or (string? (cdr tag))
                                      (and (pair? (cdr tag))
                                           (every string?
                                                  (cdr tag))))))
                        (format #f "~s is not a tag such as (\"pool\" . \
\"large\")" tag)))))

(define %events
  '(build-submitted build-started
                    build-success
                    build-failure
                    build-canceled
                    build-missing-inputs
                    agent-status
                    package-broken
                    package-fixed
                    evaluation-done))

(define-field-type (events value)
  (if (null? value)
      "there must be an event"
      (first-problem value "events"
                     (lambda (event)
                       (and (not (memq event %events))
                            (format #f "there is no event ~s; events are ~a"
                                    event
                                    (string-join (map symbol->string %events)
                                                 ", ")))))))

(define-field-type (command value)
  (match value
    ((program . arguments)
     (or (and (not (or (file-like? program)
                       (file-name? program)))
              (format #f "~s is neither a program nor the absolute file name \
of one" program))
         (any (lambda (argument)
                (and (not (or (string? argument)
                              (file-like? argument)))
                     (format #f "the argument ~s is not a string" argument)))
              arguments)))
    (_ (format #f "~s is not a list of a program and its arguments" value))))

(define-field-type (settings value)
  (first-problem value "settings"
                 (match-lambda
                   (((? string?) . (or (? string?)
                                       (? real?)
                                       (? boolean?)
                                       ((? string?) ...)))
                    #f)
                   (setting
                    (format #f "~s is not a key and a value such as \
(\"coordinator.lease\" . \"20m\")" setting)))))
