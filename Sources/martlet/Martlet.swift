import ArgumentParser
import CMemory
import Glibc
import Logging
import Server

@main
struct Martlet: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "martlet",
        abstract: "Keeps, describes, protects, proves and shares an institute's data.",
        discussion: """
            A node:     martlet serve --data /srv/martlet
            A client:   export MARTLET_URL=http://127.0.0.1:8080
                        martlet login
                        martlet cp -r ./S2A_MSIL2A.SAFE s3://eo/

            Exit codes: 0 done; 1 failed; 2 something was not as it should be (a trace that does not verify, a check
            that found a fault); 3 not logged in or not allowed; 4 not found; 64 wrong usage.
            """,
        version: Version.current,
        subcommands: [
            Serve.self, Demo.self, Login.self, Ls.self, Cp.self, Search.self, Sign.self, AccountCommand.self,
            GroupCommand.self, RegistrationCommand.self, Invite.self, UsePolicyCommand.self, ProviderCommand.self,
            IssuerCommand.self,
            KeyCommand.self, ClientCommand.self, TokenKeyCommand.self, JobTokenCommand.self, KeysCommand.self,
            KmsCommand.self, AppPasswordCommand.self, PolicyCommand.self, LDAPCommand.self, CACommand.self,
            AuditCommand.self, QuotaCommand.self, CollectionCommand.self, ItemsCommand.self, WebhookCommand.self,
            NotifyCommand.self,
            TransactionCommand.self,
            History.self,
            Restore.self,
            TraceCommand.self, LedgerCommand.self, ScanCommand.self, QuarantineCommand.self, ScrubCommand.self,
            Verify.self, Doctor.self,
        ])

    static func main() async {
        cmemory_keep()
        signal(SIGPIPE, SIG_IGN)
        LoggingSystem.bootstrap { StreamLogHandler.standardError(label: $0) }
        do {
            var command = try parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch {
            Failure.exit(error)
        }
    }
}
