;;; Submit a build as the Guix Build Coordinator's client module does, as far as
;;; that is known.
;;;
;;;   guile -s submit.scm COORDINATOR DERIVATION SUBSTITUTE-URL
;;;
;;; Prints the build's UUID.  With the same derivation once more it prints why
;;; there is no further build.

(use-modules (json)
             (web client) (web response) (web uri)
             (ice-9 match) (ice-9 receive)
             (rnrs bytevectors))

(match (command-line)
  ((_ coordinator derivation substitute-url)
   (receive (response body)
       (http-request (string->uri (string-append coordinator "/builds"))
                     #:method 'POST
                     #:headers '((content-type . (application/json (charset . "utf-8")))
                                 (user-agent . "guix-build-coordinator"))
                     #:body (string->utf8
                             (scm->json-string
                              `((derivation . ,derivation)
                                (priority . 7)
                                (substitute-urls . ,(vector substitute-url))
                                (ignore-if-build-for-derivation-exists . #t)
                                (ignore-if-build-for-outputs-exists . #t)
                                (ensure-all-related-derivation-outputs-have-builds . #t)
                                (tags . #(((key . "category") (value . "package"))
                                          ((key . "branch") (value . "master"))))))))
     (let ((reply (json-string->scm (if (string? body) body (utf8->string body)))))
       (format #t "~a ~a\n" (response-code response)
               (or (assoc-ref reply "build-submitted") (assoc-ref reply "no-build-submitted")
                   (assoc-ref reply "error")))))))
