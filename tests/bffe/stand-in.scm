;;; A small front end in the place of BFFE, on the libraries that BFFE uses.
;;;
;;;   guile -s stand-in.scm EVENT-SOURCE PORT TITLE
;;;
;;; It reads EVENT-SOURCE/state, follows EVENT-SOURCE/events from there, keeps the
;;; agents and the latest events in memory, and serves on 127.0.0.1:PORT
;;;
;;;   /                 the title
;;;   /activity         "Recent activity", which grows without a reload, and the
;;;                     agents by system
;;;   /build/UUID       what EVENT-SOURCE/build/UUID says, with a link to the log
;;;   /model            the agents as JSON
;;;   /events           the stream of events, in chunks, as Knots sends it, from
;;;                     the header Last-Event-ID or from now on
;;;
;;; When the stream ends it comes back with the header Last-Event-ID.

(use-modules (fibers) (fibers conditions)
             (knots web-server) (knots non-blocking)
             (json)
             (web client) (web request) (web response) (web uri) (web http)
             (ice-9 match) (ice-9 rdelim) (ice-9 textual-ports) (ice-9 receive)
             (srfi srfi-1))

(define-values (event-source port title)
  (match (command-line)
    ((_ event-source port title) (values event-source (string->number port) title))))

(define (log . words)
  (display (string-append (string-join (map (lambda (w) (format #f "~a" w)) words)) "\n")
           (current-error-port))
  (force-output (current-error-port)))

;;; The model.  One thread has all fibers, so nothing needs a lock.

(define agents (make-hash-table))       ; UUID -> alist, as in /state
(define recent '())                     ; the latest events, newest first: (id name data)
(define last-id #f)
(define news (make-condition))          ; signalled, and replaced, at each event

(define %labels
  '(("build-submitted" . "Build submitted")
    ("build-started" . "Build started")
    ("build-success" . "Build succeeded")
    ("build-failure" . "Build failed")
    ("build-canceled" . "Build canceled")
    ("build-setup-failure" . "Build setup failed")))

(define (take-state! state)
  (hash-clear! agents)
  (vector-for-each (lambda (agent) (hash-set! agents (assoc-ref agent "id") agent))
                   (assoc-ref state "agents"))
  (set! last-id (assoc-ref state "state_id")))

(define (vector-for-each proc vector) (for-each proc (vector->list vector)))

(define (merge alist changes)
  (fold (lambda (change result) (acons (car change) (cdr change) (alist-delete (car change) result)))
        alist changes))

(define (update-agent! id proc)
  (hash-set! agents id (proc (hash-ref agents id `(("id" . ,id) ("uuid" . ,id) ("allocated_builds" . #()))))))

(define (held agent) (vector->list (or (assoc-ref agent "allocated_builds") #())))

(define (drop-builds agent uuids)
  (merge agent `(("allocated_builds" . ,(list->vector
                                         (remove (lambda (b) (member (assoc-ref b "uuid") uuids))
                                                 (held agent)))))))

(define (drop-everywhere! uuid)
  (for-each (lambda (id) (update-agent! id (lambda (a) (drop-builds a (list uuid)))))
            (hash-map->list (lambda (id _) id) agents)))

(define (take-event! id name data)
  (let ((agent (assoc-ref data "agent_id"))
        (build (assoc-ref data "build_id")))
    (match name
      ((or "build-success" "build-failure" "build-canceled" "build-setup-failure")
       (drop-everywhere! build))
      ("agent-builds-allocated"
       (update-agent! agent
                      (lambda (a)
                        (merge a `(("allocated_builds"
                                    . ,(list->vector (append (held a) (vector->list (assoc-ref data "builds"))))))))))
      ("agent-status-update"
       (update-agent! agent
                      (lambda (a)
                        (drop-builds
                         (merge a (filter (match-lambda ((key . _) (member key '("status" "load_average" "load_average_1min" "processor_count"
                                                                                 "name" "description" "active" "mode" "tags"
                                                                                 "requested_systems"))))
                                          data))
                         (vector->list (or (assoc-ref data "released_builds") #()))))))
      ("allocation-plan-update"
       (for-each (match-lambda
                   ((id . count) (update-agent! id (lambda (a) (merge a `(("allocation_plan_count" . ,count)))))))
                 (assoc-ref data "allocation_plan_counts")))
      (_ #f))
    (set! last-id id)
    (let ((all (cons (list id name data) recent)))
      (set! recent (take all (min 200 (length all)))))
    (let ((before news))
      (set! news (make-condition))
      (signal-condition! before))))

;;; Following the coordinator.

(define (ask path headers)
  "The response to a GET of PATH and its body, as a port."
  (let* ((uri (string->uri (string-append event-source path)))
         (socket (non-blocking-open-socket-for-uri uri)))
    (receive (response body)
        (http-get uri #:port socket #:streaming? #t #:headers headers)
      (unless (= 200 (response-code response))
        (error "the coordinator answers" path (response-code response)))
      (values response body))))

(define (get-json path)
  (receive (response body) (ask path '())
    (set-port-encoding! body "UTF-8")
    (let ((text (get-string-all body)))
      (close-port body)
      (json-string->scm text))))

(define (follow)
  "Take events until the stream ends."
  (receive (response body)
      (ask "/events" `((last-event-id . ,(number->string last-id))))
    (log "following events after" last-id)
    (let loop ((id #f) (name #f) (data #f))
      (let ((line (read-line body)))
        (cond
         ((eof-object? line) (close-port body))
         ((string-prefix? "id: " line) (loop (string->number (substring line 4)) name data))
         ((string-prefix? "event: " line) (loop id (substring line 7) data))
         ((string-prefix? "data: " line) (loop id name (json-string->scm (substring line 6))))
         ((string-null? line)
          (when (and id name data) (take-event! id name data))
          (loop #f #f #f))
         (else (loop id name data)))))))

(define (keep-following)
  (while #t
    (with-exception-handler
        (lambda (exn) (log "cannot follow:" exn))
      (lambda ()
        (unless last-id (take-state! (get-json "/state")))
        (follow))
      #:unwind? #t)
    (sleep 1)))

;;; The pages.

(define (escape text)
  (string-concatenate
   (map (match-lambda (#\< "&lt;") (#\> "&gt;") (#\& "&amp;") (#\" "&quot;") (c (string c)))
        (string->list text))))

(define (page heading . body)
  (values '((content-type . (text/html (charset . "utf-8"))))
          (string-append "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>" (escape title)
                         "</title></head><body>\n<h1>" (escape heading) "</h1>\n" (string-concatenate body)
                         "</body></html>\n")))

(define (item name data)
  (let ((build (assoc-ref data "build_id")))
    (string-append "<li data-build=\"" build "\" data-event=\"" name "\">" (assoc-ref %labels name)
                   " <a href=\"/build/" build "\">" (escape (basename (assoc-ref data "derivation")))
                   "</a> <a href=\"/build/" build "/log\">log</a></li>\n")))

(define %script "<script>
const labels = {'build-submitted': 'Build submitted', 'build-started': 'Build started', 'build-success': 'Build succeeded',
  'build-failure': 'Build failed', 'build-canceled': 'Build canceled', 'build-setup-failure': 'Build setup failed'};
const source = new EventSource('/events');
source.onopen = () => { document.body.dataset.connected = 'yes'; };
for (const name of Object.keys(labels)) source.addEventListener(name, (event) => {
  const data = JSON.parse(event.data), item = document.createElement('li');
  item.dataset.build = data.build_id; item.dataset.event = name;
  item.append(labels[name] + ' ');
  for (const [href, text] of [['/build/' + data.build_id, data.derivation.split('/').pop()], ['/build/' + data.build_id + '/log', 'log']]) {
    const a = document.createElement('a'); a.href = href; a.textContent = text; item.append(a, ' ');
  }
  document.getElementById('recent').prepend(item);
});
</script>\n")

(define (agent-row agent)
  (string-append "<li>" (escape (or (assoc-ref agent "name") (assoc-ref agent "id"))) ": "
                 (or (assoc-ref agent "status") "not seen yet") ", " (number->string (length (held agent))) " builds</li>\n"))

(define (activity)
  (let* ((all (hash-map->list (lambda (_ agent) agent) agents))
         (systems (delete-duplicates (append-map (lambda (a) (vector->list (or (assoc-ref a "requested_systems") #()))) all))))
    (page "Recent activity"
          "<ul id=\"recent\">\n"
          (string-concatenate (filter-map (match-lambda ((_ name data) (and (assoc-ref %labels name) (item name data)))) recent))
          "</ul>\n"
          (string-concatenate
           (map (lambda (system)
                  (string-append "<h2>" (escape system) "</h2>\n<ul>\n"
                                 (string-concatenate
                                  (filter-map (lambda (a)
                                                (and (member system (vector->list (or (assoc-ref a "requested_systems") #())))
                                                     (agent-row a)))
                                              all))
                                 "</ul>\n"))
                systems))
          %script)))

(define (send-events port after)
  "Send those of the latest events that come after an id, and then what happens."
  (put-string port ":\n\n")            ; the header waits for what follows it
  (let loop ((sent after))
    (for-each (match-lambda
                ((id name data)
                 (when (> id sent)
                   (put-string port (format #f "id: ~a\nevent: ~a\ndata: ~a\n\n" id name (scm->json-string data))))))
              (reverse recent))
    (force-output port)
    (let ((sent last-id))
      (wait news)
      (loop sent))))

(define (handler request)
  (match (split-and-decode-uri-path (uri-path (request-uri request)))
    (() (page title "<p><a href=\"/activity\">activity</a></p>\n"))
    (("activity") (activity))
    (("model") (values '((content-type . (application/json)))
                       (scm->json-string (list->vector (hash-map->list (lambda (_ agent) agent) agents)))))
    (("build" uuid)
     (page (string-append "Build " uuid)
           "<p><a href=\"/build/" uuid "/log\">log</a></p>\n<pre>" (escape (scm->json-string (get-json (string-append "/build/" uuid)) #:pretty #t)) "</pre>\n"))
    (("events")
     (values (build-response #:headers '((content-type . (text/event-stream (charset . "utf-8")))
                                         (cache-control . (no-store))
                                         (x-accel-buffering . "no")))
             (lambda (port)
               (with-exception-handler
                   (const #f)           ; the reader is gone
                 (lambda ()
                   (send-events port (or (and=> (assq-ref (request-headers request) 'last-event-id) string->number)
                                         last-id)))
                 #:unwind? #t))))
    (_ (values (build-response #:code 404) "no such page\n"))))

(run-fibers
 (lambda ()
   (spawn-fiber keep-following)
   (run-knots-web-server handler #:port port)
   (log "serving on" port)
   (wait (make-condition)))
 #:parallelism 1 #:hz 0 #:drain? #f)
