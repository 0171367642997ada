import ACMEAPI
import AdminAPI
import Antivirus
import Authority
import Blobs
import BucketConfiguration
import Catalogue
import Console
import Database
import Glibc
package import HTTPSupport
import IAMAPI
import Identity
import Journal
import LDAPAPI
import Ledger
import Logging
import MerkleLog
import NIOCore
import NIOPosix
import NIOSSL
import NotificationAPI
import Notifications
import ODataAPI
import OIDCAPI
import Objects
import OpenID
import Policy
import Rasters
import S3API
import SCIMAPI
import STACAPI
import STOMPAPI
import SigningAPI
import TilesAPI
import TraceAPI
import TransactionAPI
import Vault
import WebDAVAPI
import Wire
import Workers

/// One running node: configuration, drivers, core, faces and workers put together.
package final class Node: Sendable {
    package let web: HTTPListener
    package let s3: HTTPListener
    /// Nil where notifications are not told over STOMP.
    private let stomp: STOMPListener?
    /// The directory's listeners, for `ldap:` and `ldaps:`.
    private let directories: [LDAPListener]
    /// The name at the top of the directory.
    package let directoryBase: String
    /// The password that was made for the first administrator, to be shown once.
    package let generatedPassword: String?
    /// The file with the authority that clients have to trust, where the node serves TLS with its own certificates.
    package let authorityFile: String?

    /// Where clients reach the two ports.
    package let webURL: String
    package let s3URL: String

    private let identity: Identity
    private let database: Database
    private let journal: Journal
    private let objects: Objects
    private let stores: BlobStores
    private let fetcher: DocumentFetcher
    private let challenges: ChallengeFetcher
    private let webhooks: WebhookClient
    private let streams: StreamCount
    private let workers: WorkerGroup
    private let pools: [NIOThreadPool]

    /// Where notifications are told over STOMP; nil where they are not.
    package var stompURL: String? { stomp?.url }

    /// Where the directory is reached: `ldap:` and `ldaps:`, as far as it is served.
    package var directoryURLs: [String] { directories.map(\.url) }

    /// Opens what is stored, or makes a new store in an empty folder, and begins to serve.
    package static func start(_ configuration: Configuration) async throws -> Node {
        try Folder.create(configuration.data)
        // Digests and ciphers of bulk data: a thread for each core.
        let pool = NIOThreadPool(numberOfThreads: max(2, System.coreCount))
        pool.start()
        // One thread for each raster that is looked into: they wait for a child process.
        let rasterPool = NIOThreadPool(numberOfThreads: 2)
        rasterPool.start()
        let picturePool = NIOThreadPool(numberOfThreads: max(2, System.coreCount))
        picturePool.start()
        let location = try DatabaseLocation(
            configuration.metadata == "sqlite" ? configuration.data + "/metadata.sqlite" : configuration.metadata)
        let database = try await Database.open(location, migrations: Schema.migrations)
        let journal = Journal(database: database, node: NodeName.random())
        try await ClockCheck.check(journal, isAccepted: configuration.acceptsClock)
        // A new key may be made only while there is nothing that an old one has sealed.
        let isNew = try await journal.read { try $0.scalar("SELECT 1 FROM accounts LIMIT 1") == nil }
        let roots = try await RootKeys.open(
            journal: journal,
            source: try MasterKeySetting.open(
                configuration.masterKey, creates: isNew, credentials: configuration.credentials),
            columns: Schema.sealedColumns)
        let master = roots.master
        let identity = Identity(journal: journal, master: master)
        let stores = try await Self.openStores(configuration)
        let screening = try configuration.clamd.map {
            Screening(
                clamd: try Clamd($0, group: MultiThreadedEventLoopGroup.singleton), policy: configuration.scanPolicy,
                bytesMax: configuration.scanBytesMax)
        }
        let objects = Objects(
            journal: journal, stores: stores, master: master, pool: pool,
            reserve: DiskReserve(
                [configuration.data] + (configuration.blobs.map { $0.hasPrefix("s3://") ? [] : [$0] } ?? [])),
            screening: screening, lifecycleDaySeconds: configuration.lifecycleDaySeconds)
        let password = try await identity.bootstrap(password: configuration.adminPassword)
        let policies = try Policies(journal: journal)
        let catalogue = Catalogue(journal: journal)
        let products = Products(journal: journal)
        let gate = Gate(policies: policies, journal: journal, resources: objects, products: catalogue)

        let authority = try await Authority.open(
            journal: journal, identity: identity, settings: configuration.authority)
        let tls = try await TLSSetup.make(configuration, authority: authority)
        // The S3 port is bound first: the address that it gets is part of what the web port tells.
        let s3Responder = LateResponder()
        var limits = configuration.connectionLimits
        limits.connectionsMax = min(limits.connectionsMax, OpenFiles.raise() - OpenFiles.reserve)
        let connections = ConnectionCount(max: limits.connectionsMax)
        let s3 = try await listen(
            configuration.s3, "--s3", tls.web, configuration.s3URL, limits, connections, s3Responder)
        let webResponder = LateResponder()
        let web = try await listen(
            configuration.web, "--web", tls.web, configuration.webURL, limits, connections, webResponder)
        let webURL = configuration.webURL ?? web.url
        let s3URL = configuration.s3URL ?? s3.url
        let addresses = ObjectAddresses(
            s3: s3URL, assets: configuration.assetURL, aliases: configuration.s3Aliases)

        let tokens = try await TokenAuthority(identity: identity, issuer: webURL, audiences: [s3URL])
        let fetcher = DocumentFetcher()
        let provider = OpenIDProvider(
            identity: identity, tokens: tokens, journal: journal,
            sources: ClientSources(
                fetch: fetcher.fetch, fetchPublic: fetcher.fetchPublic,
                facts: { try await tls.clients?.facts($0) }))
        let requestLimits = RequestLimits(
            perAddress: configuration.ratePerAddress, perPrincipal: configuration.ratePerPrincipal)
        let roles = RoleSessions(
            identity: identity, gate: gate,
            webIdentities: WebIdentities(identity: identity, tokens: tokens, fetch: fetcher.fetch))
        let authenticator = Authenticator(
            identity: identity, tokens: tokens, certificates: tls.clients, roles: roles, limits: requestLimits)
        let directory = LDAPService(
            tree: configuration.directory, identity: identity, gate: gate, limits: requestLimits,
            certificates: tls.clients, version: Version.current)
        let directories = try await listen(configuration, tls.directory, limits, connections, directory)
        let logPolicy = try configuration.readLogPolicy()
        let ledger = try await Ledger.open(
            journal: journal, identity: identity, authority: authority.root,
            origin: NodeName.host + "/martlet",
            trust: TraceSigners(
                authority: authority, files: configuration.traceAuthorities, openPGP: OpenPGPSignatures()),
            policy: logPolicy)
        let witness = try await Witness.open(
            journal: journal, identity: identity, name: ledger.origin + "/witness",
            logs: logPolicy?.logs.map(\.key) ?? [])
        let notifications = Notifications(journal: journal, master: master)
        let s3Service = S3Service(
            objects: objects, gate: gate, authenticator: authenticator, notifications: notifications,
            domains: S3Domains(configuration.s3Domains), isBehindTLS: configuration.s3URL?.hasPrefix("https://") == true
        )
        let webhooks = WebhookClient()
        let challenges = ChallengeFetcher(
            networks: configuration.acmeNetworks, port: configuration.acmePort, tlsPort: configuration.acmeTLSPort)
        let iamService = IAMService(
            policies: policies, gate: gate, sessions: roles, authenticator: authenticator)
        let people = People(
            identity: identity, address: webURL, registration: configuration.registration,
            sendsMail: configuration.smtp != nil)
        let signing = SigningService(
            gate: gate, authenticator: authenticator, objects: objects, addresses: addresses, webURL: webURL)
        let console = ConsoleService(
            catalogue: catalogue, objects: objects, ledger: ledger, journal: journal, gate: gate,
            authenticator: authenticator, provider: provider, people: people,
            federated: FederatedLogins(
                people: people, fetch: fetcher.fetch,
                post: { try await fetcher.post($0, $1, authorization: $2, bytesMax: $3) }),
            addresses: NodeAddresses(web: webURL, objects: addresses),
            sign: { try await signing.sign([$0], method: "GET", seconds: $1, $2).first ?? $0 })
        let odata = ODataService(
            catalogue: catalogue, objects: objects, identity: identity, gate: gate, authenticator: authenticator,
            notifications: notifications, addresses: addresses, webURL: webURL)
        let topics = Topics([
            TraceTopic(ledger: ledger, address: webURL + "/traces"), ProductTopic(odata),
            ChangeTopic<ObjectNews>(gate: gate), ChangeTopic<RuleChange>(gate: gate),
        ])
        let telling = Telling(topics: topics, notifications: notifications, identity: identity, source: webURL)
        let streams = StreamCount()
        let stomp = try await listen(
            configuration, tls.web, limits, connections,
            STOMPService(
                notifications: notifications, telling: telling, gate: gate, authenticator: authenticator,
                streams: streams, version: Version.current))
        let router = WebRouter(
            oidc: OIDCService(authenticator: authenticator, provider: provider),
            admin: AdminService(
                policies: policies, notifications: notifications, gate: gate, authenticator: authenticator,
                people: people, objects: objects, catalogue: catalogue, roots: roots, provider: provider,
                authority: authority,
                journal: journal),
            ca: CAService(authority: authority, authenticator: authenticator),
            acme: ACMEService(
                authority: authority, authenticator: authenticator,
                validation: ACMEValidation(
                    fetch: challenges.fetch, certificate: challenges.certificate,
                    records: configuration.acmeResolver.map { ChallengeResolver(host: $0.host, port: $0.port).records }
                )),
            scim: SCIMService(policies: policies, gate: gate, authenticator: authenticator),
            stac: STACService(catalogue: catalogue, objects: objects, gate: gate, authenticator: authenticator),
            odata: odata,
            notifications: NotificationService(
                notifications: notifications, telling: telling, gate: gate, authenticator: authenticator,
                sendsMail: configuration.smtp != nil, streams: streams),
            traces: TraceService(
                ledger: ledger, catalogue: catalogue, witness: witness, gate: gate, authenticator: authenticator,
                host: NodeName.host,
                version: Version.current),
            transactions: TransactionService(objects: objects, gate: gate, authenticator: authenticator),
            signing: signing,
            tiles: TilesService(
                catalogue: catalogue, objects: objects, gate: gate, authenticator: authenticator, addresses: addresses,
                painter: Painter(
                    rasters: RasterReader(executable: RasterReader.installed, pool: picturePool),
                    objects: objects, atOnce: max(2, System.coreCount))),
            webdav: WebDAVService(objects: objects, gate: gate, authenticator: authenticator),
            nextcloud: NextcloudService(objects: objects, gate: gate, authenticator: authenticator), console: console,
            webURL: webURL, addresses: addresses, ldapURLs: directories.map(\.url),
            ldapBase: configuration.directory.base,
            isReady: { try await journal.read { _ in } })
        let forwarded = ForwardedCertificates(from: configuration.certificateProxies)
        s3Responder.set {
            do throws(Problem) {
                let request = try forwarded.resolve($0)
                return IAMService.accepts(request)
                    ? await iamService.respond(to: request) : await s3Service.respond(to: request)
            } catch {
                return error.response
            }
        }
        webResponder.set {
            do throws(Problem) {
                return await router.respond(to: try forwarded.resolve($0))
            } catch {
                return error.response
            }
        }

        try await products.setAddress(addresses.assets)
        let workers = WorkerGroup()
        workers.start(
            Janitor(
                objects: objects, catalogue: catalogue, journal: journal, historySeconds: configuration.historySeconds,
                sharedClasses: stores.classes { !($0 is DiskBlobs) }))
        workers.start(Scrubber(objects: objects, bytesPerSecond: configuration.scrubRate))
        workers.start(
            Lifecycle(objects: objects, pauseSeconds: min(5, Double(configuration.lifecycleDaySeconds) / 4)))
        workers.start(
            Cataloguer(
                objects: objects, products: products, catalogue: catalogue,
                rasters: RasterReader(executable: RasterReader.installed, pool: rasterPool),
                programs: configuration.describers.map {
                    DescribeProgram(suffixes: $0.suffixes, executable: $0.program, pool: rasterPool)
                }, s3URL: addresses.assets, settleSeconds: configuration.settleSeconds))
        if screening != nil { workers.start(Scanner(objects: objects)) }
        workers.start(Keykeeper(objects: objects, roots: roots))
        workers.start(
            AccountKeeper(
                identity: identity, policies: policies, journal: journal, people: people, authority: authority,
                removeSeconds: configuration.removeSeconds, remindSeconds: configuration.remindSeconds))
        if let server = configuration.smtp {
            let sender = MailSender(
                server, from: configuration.mailFrom, webURL: webURL, authority: configuration.smtpAuthority)
            workers.start(Postman(identity: identity, journal: journal, send: sender.send))
        }
        workers.start(AccessLogger(objects: objects, seconds: configuration.accessLogSeconds))
        workers.start(
            Notifier(
                objects: objects, notifications: notifications, post: webhooks.post,
                compose: telling.posting,
                letters: configuration.smtp.map { _ in
                    LetterWriter(
                        notifications: notifications, identity: identity, telling: telling, webURL: webURL)
                }))
        workers.start(
            Subscriber(journal: journal, identity: identity, notifications: notifications, topics: topics))
        workers.start(
            Auditor(
                journal: journal, ledger: ledger, origin: "admin@" + NodeName.host, seconds: configuration.auditSeconds,
                keptSeconds: configuration.auditDays.map { $0 * 86_400 }))
        workers.start(
            LogoutMessenger(provider: provider, journal: journal) { notice in
                try await webhooks.post(
                    DeliveryAddress(url: notice.url, secret: nil, isTrusted: notice.isTrusted),
                    Array(QueryItems([("logout_token", notice.token)]).encoded.utf8),
                    type: "application/x-www-form-urlencoded")
            })
        workers.start(
            Tracer(
                objects: objects, catalogue: catalogue, ledger: ledger, origin: "admin@" + NodeName.host, webURL: webURL
            ))
        workers.start(TraceIndexer(journal: journal, ledger: ledger))
        if logPolicy?.witnesses.isEmpty == false {
            workers.start(Countersigner(journal: journal, ledger: ledger, call: fetcher.call))
        }
        if let address = configuration.timestampAuthority {
            workers.start(
                Timestamper(journal: journal, ledger: ledger, seconds: configuration.timestampSeconds) {
                    try await fetcher.stamp(address, $0)
                })
        }
        return Node(
            web: web, s3: s3, stomp: stomp, directories: directories, directoryBase: configuration.directory.base,
            generatedPassword: password, authorityFile: tls.authorityFile, webURL: webURL,
            s3URL: s3URL, identity: identity, database: database, journal: journal, objects: objects,
            stores: stores, fetcher: fetcher, challenges: challenges, webhooks: webhooks, streams: streams,
            workers: workers, pools: [pool, rasterPool, picturePool])
    }

    private init(
        web: HTTPListener, s3: HTTPListener, stomp: STOMPListener?, directories: [LDAPListener], directoryBase: String,
        generatedPassword: String?, authorityFile: String?, webURL: String,
        s3URL: String, identity: Identity, database: Database, journal: Journal, objects: Objects,
        stores: BlobStores,
        fetcher: DocumentFetcher, challenges: ChallengeFetcher, webhooks: WebhookClient,
        streams: StreamCount, workers: WorkerGroup, pools: [NIOThreadPool]
    ) {
        self.web = web
        self.s3 = s3
        self.stomp = stomp
        self.directories = directories
        self.directoryBase = directoryBase
        self.generatedPassword = generatedPassword
        self.authorityFile = authorityFile
        self.webURL = webURL
        self.s3URL = s3URL
        self.identity = identity
        self.database = database
        self.journal = journal
        self.objects = objects
        self.stores = stores
        self.fetcher = fetcher
        self.challenges = challenges
        self.webhooks = webhooks
        self.streams = streams
        self.workers = workers
        self.pools = pools
    }

    private static func listen(
        _ address: Configuration.Address, _ name: String, _ tls: NIOSSLContext?, _ publicURL: String?,
        _ limits: ConnectionLimits, _ connections: ConnectionCount, _ responder: LateResponder
    ) async throws -> HTTPListener {
        try await binding(address, name) {
            // The process's own loops: they end with it, so that no task that still winds down finds its loop gone.
            return try await HTTPListener.bind(
                host: address.host, port: address.port, group: MultiThreadedEventLoopGroup.singleton, tls: tls,
                publicURL: publicURL, limits: limits, connections: connections,
                responder: { await responder.respond($0) })
        }
    }

    private static func listen(
        _ configuration: Configuration, _ tls: NIOSSLContext?, _ limits: ConnectionLimits,
        _ connections: ConnectionCount, _ service: LDAPService
    ) async throws -> [LDAPListener] {
        guard let tls else { return [] }
        var listeners: [LDAPListener] = []
        for (address, name, isSecure) in [
            (configuration.ldap, "--ldap", false), (configuration.ldaps, "--ldaps", true),
        ] {
            guard let address else { continue }
            let listener = try await binding(address, name) {
                try await LDAPListener.bind(
                    host: address.host, port: address.port, group: MultiThreadedEventLoopGroup.singleton, tls: tls,
                    isSecure: isSecure, limits: limits, connections: connections, service: service)
            }
            listeners.append(listener)
        }
        return listeners
    }

    private static func listen(
        _ configuration: Configuration, _ tls: NIOSSLContext?, _ limits: ConnectionLimits,
        _ connections: ConnectionCount, _ service: STOMPService
    ) async throws -> STOMPListener? {
        guard let address = configuration.stomp else { return nil }
        return try await binding(address, "--stomp") {
            try await STOMPListener.bind(
                host: address.host, port: address.port, group: MultiThreadedEventLoopGroup.singleton, tls: tls,
                limits: limits, connections: connections, service: service)
        }
    }

    private static func binding<Bound>(
        _ address: Configuration.Address, _ name: String, _ bind: () async throws -> Bound
    ) async throws -> Bound {
        do {
            return try await bind()
        } catch let error as IOError {
            throw ConfigurationError(
                "cannot listen on \(address.host):\(address.port) (\(name)): \(String(cString: strerror(error.errnoCode)))"
            )
        }
    }

    /// The blob stores of a node, by storage class.
    static func openStores(_ configuration: Configuration) async throws -> BlobStores {
        let standard = configuration.blobs ?? configuration.data + "/blobs"
        var stores = BlobStores(standard: try await openBlobs(standard, configuration))
        for (name, place) in configuration.storageClasses {
            stores.others[name] = try await openBlobs(place, configuration)
        }
        return stores
    }

    private static func openBlobs(_ place: String, _ configuration: Configuration) async throws -> any BlobStore {
        guard place.hasPrefix("s3://") else { return try await DiskBlobs.open(place) }
        return try await S3Blobs.open(try S3Location(place, credentials: configuration.blobCredentials))
    }

    /// Gives the first administrator a new password: what whoever runs the node can do without knowing the old one.
    package func setAdminPassword(_ password: String) async throws {
        try await identity.setPassword(password, of: "admin", by: "system:operator")
    }

    /// Ends in order: no new requests, running ones end, workers stop where they are, then the stores close.
    package func stop() async throws {
        streams.end()
        async let webDone: Void = web.shutdown()
        async let s3Done: Void = s3.shutdown()
        for directory in directories { await directory.shutdown() }
        await stomp?.shutdown()
        _ = await (webDone, s3Done)
        await workers.stop()
        try? await journal.flushAccesses()
        try? await journal.flushCounted(isEnding: true)
        try? await objects.flushAccessLog()
        try? await fetcher.close()
        try? await challenges.close()
        try? await webhooks.close()
        await stores.close()
        await database.close()
        for pool in pools { try await pool.shutdownGracefully() }
    }
}
