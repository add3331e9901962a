;; A machine that only builds, for the farm on another one.  The token is what
;; "tbfg token new" printed there.

(use-modules (gnu)
             (gnu services networking)
             (tbfg services))

(operating-system
  (host-name "large")
  (bootloader (bootloader-configuration
                (bootloader grub-bootloader)
                (targets '("/dev/sda"))))
  (file-systems (cons (file-system
                        (mount-point "/")
                        (device "/dev/sda1")
                        (type "ext4")) %base-file-systems))
  (services
   (append
    (list
     (service dhcpcd-service-type)
     (service tbfg-agent-service-type
       (tbfg-agent-configuration
         (coordinator "https://farm.example.org")
         (authentication
           (tbfg-agent-dynamic-auth-with-file
             (agent-name "large")
             (token-file "/var/lib/tbfg-agent/token")))
         (systems '("x86_64-linux" "i686-linux"))
         (max-parallel-builds 16))))
    %base-services)))
