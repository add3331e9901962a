;;; Read the derivations that a file lists, one a line, with all that they
;;; depend on; print how many those are and how long it took, in seconds.
;;;
;;; Run it as "guix repl -- read.scm FILE".

(use-modules (guix derivations)
             (ice-9 textual-ports)
             (srfi srfi-1))

(define roots
  (remove string-null?
          (string-split (call-with-input-file (second (command-line))
                          get-string-all)
                        #\newline)))

(define start (get-internal-real-time))

;; Reading a derivation reads its inputs. The list keeps all of them in the
;; cache, whose references are weak.
(define graph (map read-derivation-from-file roots))

(define end (get-internal-real-time))

(define seen (make-hash-table))

(let visit ((drvs graph))
  (for-each (lambda (drv)
              (unless (hash-ref seen (derivation-file-name drv))
                (hash-set! seen (derivation-file-name drv) #t)
                (visit (map derivation-input-derivation
                            (derivation-inputs drv)))))
            drvs))

(format #t "~a ~a~%"
        (hash-count (const #t) seen)
        (exact->inexact (/ (- end start) internal-time-units-per-second)))
