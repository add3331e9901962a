;;; Compute the derivations of all packages of (gnu packages algebra) and
;;; (gnu packages maths), without grafts, and print their file names, one per
;;; line: a real graph of some thousand derivations to test with.
;;;
;;; Run it as "guix repl graph.scm"; it needs a guix-daemon, and no network.
;;; A package that cannot be computed is reported on standard error and left
;;; out, for one broken package of that Guix is no reason to have no graph.

(use-modules (guix) (guix packages) (guix discovery) (srfi srfi-1))

(define modules
  (map resolve-interface
       '((gnu packages algebra) (gnu packages maths))))

(define packages
  ;; Some packages have two names. Hidden packages are wanted too, for they
  ;; are part of the graph.
  (delete-duplicates
   (fold-module-public-variables (lambda (object result)
                                   (if (package? object)
                                       (cons object result)
                                       result))
                                 '()
                                 modules)
   eq?))

(define (print-derivation store package)
  (catch #t
    (lambda ()
      (format #t "~a~%"
              (derivation-file-name
               (package-derivation store package (%current-system)
                                   #:graft? #f))))
    (lambda arguments
      (format (current-error-port) "graph.scm: ~a: ~s~%"
              (package-full-name package) arguments))))

(with-store store
  (for-each (lambda (package)
              (print-derivation store package))
            (sort packages
                  (lambda (a b)
                    (string<? (package-full-name a)
                              (package-full-name b))))))
