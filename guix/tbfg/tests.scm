;;; tbfg --- A tiny build farm for GNU Guix
;;;
;;; This file is part of tbfg, which is free software under the GNU General
;;; Public License, version 3 or later.  See the file COPYING.

(define-module (tbfg tests)
  #:use-module (gnu services)
  #:use-module (gnu services networking)
  #:use-module (gnu system vm)
  #:use-module (gnu tests)
  #:use-module (guix gexp)
  #:use-module (tbfg services)
  #:export (%test-tbfg))

;;; Commentary:
;;;
;;; A system test: a virtual machine with a whole farm, as one declares it in
;;; one line.  From a checkout:
;;;
;;;   guix build -L guix -e '(begin (use-modules (gnu tests) (tbfg tests))
;;;                                 (system-test-value %test-tbfg))'
;;;
;;; Code:

(define %tbfg-os
  (simple-operating-system (service dhcpcd-service-type)
                           (service tbfg-service-type)))

(define (run-tbfg-test)
  (define os
    (marionette-operating-system %tbfg-os
                                 #:imported-modules '((gnu services herd)
                                                      (guix combinators))))

  (define forwarded-port
    8745)

  (define vm
    (virtual-machine (operating-system os)
                     (memory-size 1024)
                     (port-forwardings `((,forwarded-port . 8745)))))

  (define test
    (with-imported-modules '((gnu build marionette))
      #~(begin
          (use-modules (gnu build marionette)
                       (ice-9 match)
                       (srfi srfi-11)
                       (srfi srfi-64)
                       (web client)
                       (web response))

          (define marionette
            (make-marionette (list #$vm)))

          (test-runner-current (system-test-runner #$output))
          (test-begin "tbfg")

          (test-assert "service running"
            (marionette-eval '(begin
                                (use-modules (gnu services herd))
                                (match (start-service 'tbfg)
                                  (#f #f)
                                  (('service response-parts ...)
                                   (assq-ref response-parts
                                             'running)))) marionette))

          ;; The agents' endpoint answers, also to those that it does not know.
          (test-equal "agents' endpoint"
            200
            (let-values (((response text)
                          (http-get #$(simple-format #f
                                       "http://localhost:~A/metrics"
                                       forwarded-port)
                                    #:decode-body? #t)))
              (response-code response)))

          ;; The local agent got its credentials without anybody's help.
          (test-assert "local agent's password"
            (wait-for-file "/var/lib/tbfg/secrets/local-agent.password"
                           marionette))

          (test-equal "modes of what is secret"
            '(#o700 #o600)
            (marionette-eval '(map (compose stat:perms stat)
                                   '("/var/lib/tbfg/secrets"
                                     "/var/lib/tbfg/secrets/local-agent.password"))
                             marionette))

          (test-assert "restart"
            (marionette-eval '(begin
                                (use-modules (gnu services herd))
                                (restart-service 'tbfg)) marionette))

          (test-end))))

  (gexp->derivation "tbfg-test" test))

(define %test-tbfg
  (system-test
   (name "tbfg")
   (description "Run a farm that builds for its own machine.")
   (value (run-tbfg-test))))
