;;; An agent that speaks the Guix Build Coordinator's dialect and nothing of
;;; tbfg's own, with Guile's web client: logs whole, as guix-daemon has them on
;;; the disk; request bodies in chunks; outputs as lzip nars, of which it loses
;;; the first connection half-way; "basic" in lower case.
;;;
;;; Run it as "guix repl upstream-agent.scm URL UUID PASSWORD SYSTEM": it builds
;;; what it is given until it is given nothing.

(use-modules (guix base32) (guix base64) (guix derivations) (guix serialization) (guix store)
             (ice-9 binary-ports) (ice-9 match) (ice-9 textual-ports) (json) (lzlib)
             (rnrs bytevectors) (srfi srfi-1) (srfi srfi-19) (srfi srfi-34)
             (web client) (web http) (web request) (web response) (web uri))

(define-values (coordinator agent password system)
  (match (take-right (command-line) 4)
    ((url uuid password system) (values url uuid password system))))

;; Guile 3.0.11 would write "Basic".
(declare-opaque-header! "Authorization")
(define credentials
  `((authorization . ,(string-append "basic " (base64-encode (string->utf8 (string-append agent ":" password)))))))

(define (uri path) (string->uri (string-append coordinator path)))

(define (check response body what)
  (unless (= 200 (response-code response))
    (error what (response-code response) body))
  body)

(define (text body)
  (match body
    ((? bytevector? b) (utf8->string b))
    ((? string? s) s)
    (_ "")))

(define* (send-json method path #:optional value)
  (define-values (response body)
    (http-request (uri path) #:method method
                  #:body (and value (scm->json-string value))
                  #:headers `((content-type . (application/json)) ,@credentials)))
  (json-string->scm (text (check response body path))))

;; Sends BYTES in chunks.  When CUT? is true, goes away before the end.
(define* (send-chunked method path bytes #:key cut?)
  (define port (open-socket-for-uri (uri path)))
  (define request
    (write-request (build-request (uri path) #:method method #:version '(1 . 1) #:port port
                                  #:headers `((transfer-encoding . ((chunked)))
                                              (content-type . (application/octet-stream))
                                              (connection . (close))
                                              ,@credentials))
                   port))
  (define chunks (make-chunked-output-port port #:buffering 4096 #:keep-alive? #t))
  (put-bytevector chunks bytes)
  (cond (cut?
         (force-output chunks)
         (force-output port)
         (close-port port))
        (else
         (close-port chunks)
         (put-string port "\r\n") ;the empty trailer, which that leaves out
         (force-output port)
         (let* ((response (read-response port))
                (body (read-response-body response)))
           (close-port port)
           (check response (and body (text body)) path)))))

(define (lzip-nar path)
  (call-with-values open-bytevector-output-port
    (lambda (port get)
      (call-with-lzip-output-port port (lambda (port) (write-file path port)))
      (get))))

;; How much of an output has arrived, once the coordinator knows of it at all:
;; agents wait before they try again.
(define (arrived route)
  (let ((response (http-head (uri (string-append route "/partial")) #:headers credentials)))
    (match (response-code response)
      (200 (response-content-length response))
      (404 (usleep 50000) (arrived route)))))

(define (send-output build name path)
  (define route (string-append "/build/" build "/output/" name))
  (define nar (lzip-nar path))
  (define half (quotient (bytevector-length nar) 2))
  (define first-half (make-bytevector half))
  (bytevector-copy! nar 0 first-half 0 half)
  (send-chunked 'PUT route first-half #:cut? #t)
  (let ((there (arrived route)))
    (format #t "output ~a of ~a: ~a of ~a bytes are there~%" name build there (bytevector-length nar))
    (let ((rest (make-bytevector (- (bytevector-length nar) there))))
      (bytevector-copy! nar there rest 0 (bytevector-length rest))
      (send-chunked 'POST (string-append route "/partial") rest))))

(define (send-log store build derivation)
  (define file (log-file store derivation))
  (send-chunked 'PUT
                (string-append "/build/" build "/log/"
                               (if (string-suffix? ".bz2" file) "bzip2" "gzip"))
                (call-with-input-file file get-bytevector-all #:binary #t)))

(define (described store output)
  (match output
    ((name . path)
     (let ((info (query-path-info store path)))
       `((name . ,name)
         (hash . ,(string-append "sha256:" (bytevector->nix-base32-string (path-info-hash info))))
         (size . ,(path-info-nar-size info))
         (references . ,(list->vector (path-info-references info))))))))

(define (now) (date->string (current-date 0) "~Y-~m-~d ~H:~M:~S"))

(define (process store build)
  (define uuid (assoc-ref build "uuid"))
  (define derivation (assoc-ref build "derivation_name"))
  (send-json 'POST (string-append "/build/" uuid "/report-build-start"))
  (let* ((ok? (guard (c ((store-protocol-error? c) #f))
                (build-things store (list derivation))))
         (outputs (outputs-of derivation)))
    (send-log store uuid derivation)
    (when (and ok? (assoc-ref build "submit_outputs"))
      (for-each (match-lambda ((name . path) (send-output uuid name path))) outputs))
    (send-json 'PUT (string-append "/build/" uuid)
               (if ok?
                   `((result . "success") (end_time . ,(now))
                     (outputs . ,(list->vector (map (lambda (o) (described store o)) outputs))))
                   `((result . "failure") (end_time . ,(now)))))))

(define (outputs-of file)
  (map (match-lambda ((name . output) (cons name (derivation-output-path output))))
       (derivation-outputs (read-derivation-from-file file))))

(with-store store
  (set-build-options store #:use-substitutes? #f #:offload? #f #:print-build-trace #f)
  (send-json 'PUT (string-append "/agent/" agent)
             '((status . "idle") (load_average . ((1min . 0.5))) (processor_count . 1) (initial_status_update . #t)))
  (let loop ()
    (match (assoc-ref (send-json 'POST (string-append "/agent/" agent "/fetch-builds")
                                 `((target_count . 2) (systems . #(,system))))
                      "builds")
      (#() (format #t "nothing more~%"))
      (builds
       (for-each (lambda (build) (process store build)) (vector->list builds))
       (loop)))))
