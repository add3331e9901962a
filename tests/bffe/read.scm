;;; Read pages of JSON, each on a connection of its own with Guile's client, and then
;;; all of them on one connection, asked for before the first answer is read.
;;;
;;;   guile -s read.scm URL PATH...
;;;
;;; Prints a line for each page: path, status, type and the keys of the object.

(use-modules (fibers)
             (json)
             (knots web)
             (web client) (web request) (web response) (web uri)
             (ice-9 match) (ice-9 receive) (ice-9 textual-ports)
             (rnrs bytevectors)
             (srfi srfi-1))

(define-values (base paths)
  (match (command-line)
    ((_ base . paths) (values base paths))))

(define (uri path) (string->uri (string-append base path)))

(define (object bytes)
  (match (json-string->scm (if (string? bytes) bytes (utf8->string bytes)))
    ((and ((key . _) ...) alist) alist)))

(define (line path response body)
  (format #f "~a ~a ~a ~a\n" path (response-code response) (car (response-content-type response))
          (string-join (sort (map car (object body)) string<?) ",")))

(define alone
  (map (lambda (path)
         (receive (response body) (http-get (uri path))
           (line path response body)))
       paths))

(define together
  (run-fibers
   (lambda ()
     (call-with-connection-cache (string->uri base) 1
       (lambda (cache)
         (reverse
          (http-fold-requests cache
                              (lambda (request response port result)
                                (let ((length (response-content-length response)))
                                  (cons (line (string-append (uri-path (request-uri request))
                                                             (match (uri-query (request-uri request))
                                                               (#f "")
                                                               (query (string-append "?" query))))
                                              response
                                              (read-response-body response))
                                        result)))
                              '()
                              (map (lambda (path) (build-request (uri path) #:method 'GET)) paths))))))
   #:drain? #f))

(unless (equal? alone together)
  (error "pipelined answers differ" alone together))
(for-each display alone)
