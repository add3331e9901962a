;; The Shepherd's configuration in which the services of live.scm run.

(use-modules (shepherd service)
             (shepherd service log-rotation)
             (shepherd support))

(define (there name)
  (service (list name)
           #:start (const #t)
           #:stop (const #f)))

(register-services
 (cons (log-rotation-service)
       (append (map there '(guix-daemon networking user-processes))
               (map load-in-user-module
                    '("/out/live.tbfg-sockets.shepherd"
                      "/out/live.tbfg.shepherd"
                      "/out/live.tbfg-agent.shepherd"
                      "/out/live.guix-build-coordinator-agent.shepherd")))))
