;;; Follow a stream of events for a while with Guile's client.
;;;
;;;   guile -s follow.scm URL LAST SECONDS CUT
;;;
;;; Begins after the event LAST.  After each CUT events it drops the connection and
;;; comes back with the header Last-Event-ID, as it does when the other side ends the
;;; stream.  An event that does not follow on the one before is an error.  Prints the
;;; ids of the first and the last event, how many there were, and the number of
;;; connections, when the time is over and an event comes.

(use-modules (json)
             (web client) (web response) (web uri)
             (ice-9 match) (ice-9 rdelim) (ice-9 receive))

(define-values (url last seconds cut)
  (match (command-line)
    ((_ url last seconds cut)
     (values (string->uri url) (string->number last) (string->number seconds) (string->number cut)))))

(define end (+ (current-time) seconds))

(define (frame port)
  "The next event as a list of id, name and data; #f at the end of the stream."
  (let loop ((id #f) (name #f) (data #f))
    (let ((line (read-line port)))
      (cond
       ((eof-object? line) #f)
       ((string-prefix? "id: " line) (loop (string->number (substring line 4)) name data))
       ((string-prefix? "event: " line) (loop id (substring line 7) data))
       ((string-prefix? "data: " line) (loop id name (json-string->scm (substring line 6))))
       ((string-prefix? ":" line) (loop id name data))
       ((not (string-null? line)) (error "not a line of an event" line))
       (id (list id name data))
       (else (loop #f #f #f))))))     ; the blank line after a comment

(define (connect last)
  "A port with the events after LAST, or #f if nobody answers."
  (catch 'system-error
    (lambda ()
      (receive (response body)
          (http-get url #:streaming? #t #:headers `((last-event-id . ,(number->string last))))
        (match (list (response-code response) (response-content-type response))
          ((200 ('text/event-stream ('charset . "utf-8"))) #t))
        ;; A chunked stream would come when the buffer is full.
        (setvbuf body 'none)
        body))
    (const #f)))

(let follow ((at last) (seen 0) (connections 0))
  (match (connect at)
    (#f (usleep 100000)
        (follow at seen connections))
    (port
     (let loop ((at at) (seen seen) (here 0))
       (match (and (not (= here cut)) (frame port))
         (#f (close-port port)
             (usleep 100000)
             (follow at seen (+ connections 1)))
         ((id name data)
          (unless (= id (+ at 1))
            (error "an event does not follow on the one before" at id))
          (unless (and (string? (assoc-ref data "timestamp"))
                       (or (not (string-prefix? "build-" name)) (assoc-ref data "build_id")))
            (error "an event without its data" id name data))
          (if (>= (current-time) end)
              (format #t "~a ~a ~a ~a\n" (+ last 1) id (+ seen 1) (+ connections 1))
              (loop id (+ seen 1) (+ here 1)))))))))
