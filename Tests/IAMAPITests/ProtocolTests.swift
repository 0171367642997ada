import HTTPSupport
import Identity
import NIOCore
import NIOHTTP1
import SigV4
import Testing
import Wire

@testable import IAMAPI

@Suite struct ProtocolTests {
    private func request(_ method: HTTPMethod, _ target: String, _ headers: HTTPHeaders = [:]) -> Request {
        Request(
            method: method, target: target, headers: headers, body: RequestBody(),
            connection: ConnectionInfo(remoteAddress: "", localAddress: "", isSecure: false), id: "1")
    }

    private func parse(_ text: String) throws -> (Operation, Parameters) {
        let form = try #require(QueryItems(parsing: text))
        let operation = try Operation.find(form)
        return (operation, try Parameters(form, of: operation))
    }

    private func refusal(_ text: String) -> String? {
        do {
            _ = try parse(text)
            return nil
        } catch {
            return (error as? IAMError)?.code.name
        }
    }

    @Test("forms posted to the root and queries with an action are for this face, nothing else is")
    func accepts() {
        let form: HTTPHeaders = ["Content-Type": "application/x-www-form-urlencoded; charset=utf-8"]
        #expect(IAMService.accepts(request(.POST, "/", form)))
        #expect(IAMService.accepts(request(.GET, "/?Action=GetCallerIdentity&Version=2011-06-15")))
        #expect(!IAMService.accepts(request(.GET, "/")))
        #expect(!IAMService.accepts(request(.POST, "/")))
        #expect(!IAMService.accepts(request(.POST, "/bucket", form)))
        #expect(!IAMService.accepts(request(.GET, "/bucket?Action=x")))
        #expect(!IAMService.accepts(request(.PUT, "/", form)))
    }

    @Test("an action that is not known, or of another version, is refused")
    func actions() {
        #expect(refusal("Action=CreateUser&Version=2010-05-08&UserName=ada") == nil)
        #expect(refusal("Action=AssumeRole&Version=2011-06-15") == nil)
        #expect(refusal("Action=MakeCoffee") == "InvalidAction")
        #expect(refusal("Action=createuser") == "InvalidAction")
        #expect(refusal("Action=AssumeRole&Version=2010-05-08") == "InvalidAction")
        #expect(refusal("Version=2010-05-08") == "MissingAction")
        #expect(refusal("Action=") == "MissingAction")
    }

    @Test(
        "every action of the contract is known",
        arguments: ["User", "Group", "Role"].flatMap { holder in
            ["Put\(holder)Policy", "Get\(holder)Policy", "List\(holder)Policies", "Delete\(holder)Policy"]
                + ["Attach\(holder)Policy", "Detach\(holder)Policy", "ListAttached\(holder)Policies"]
                + ["Create\(holder)", "Get\(holder)", "List\(holder)s", "Delete\(holder)"]
        })
    func holders(action: String) {
        #expect(refusal("Action=\(action)") == nil)
    }

    @Test("what an action does not have is refused, and so is what comes twice")
    func parameters() throws {
        #expect(refusal("Action=CreateGroup&GroupName=a&PermissionsBoundary=x") == "ValidationError")
        #expect(refusal("Action=CreateUser&UserName=a&Tags.member.1.Key=x") == "ValidationError")
        #expect(refusal("Action=CreateUser&UserName=a&UserName=b") == "ValidationError")
        #expect(refusal("Action=ListUsers&Action=DeleteUser&UserName=a") == "ValidationError")
        #expect(refusal("Action=CreateUser&UserName.member.1=a") == nil, "a list where none belongs is no value")
        let (_, list) = try parse(
            "Action=CreateOpenIDConnectProvider&ClientIDList.member.2=b&ClientIDList.member.1=a&ClientIDList.member.3=")
        #expect(try list.members("ClientIDList") == ["a", "b"])
        let (_, broken) = try parse("Action=CreateOpenIDConnectProvider&ClientIDList.member.x=b")
        #expect(throws: IAMError.self) { _ = try broken.members("ClientIDList") }
    }

    @Test("pages go on where they ended")
    func pages() throws {
        #expect(try parse("Action=ListUsers").1.page() == ("", 100))
        let page = Page(["a", "b", "c"], limit: 2, name: \.self)
        #expect(Array(page.elements) == ["a", "b"])
        let marker = try #require(page.marker)
        #expect(try parse("Action=ListUsers&MaxItems=2&Marker=\(marker)").1.page() == ("b", 2))
        #expect(Page(["a", "b"], limit: 2, name: \.self).marker == nil)
        for wrong in ["MaxItems=0", "MaxItems=1001", "MaxItems=x", "Marker=%25", "Marker=AA"] {
            let (_, parameters) = try parse("Action=ListUsers&\(wrong)")
            #expect(throws: IAMError.self, "\(wrong)") { _ = try parameters.page() }
        }
    }

    @Test("errors have AWS's form and codes")
    func errors() throws {
        let response = IAMError(.noSuchEntity, "there is no 'a<b'").response(.iam, request(.GET, "/"))
        guard case .buffer(let buffer) = response.body else {
            Issue.record("no body")
            return
        }
        let xml = try XMLElement(parsing: Array(buffer.readableBytesView))
        #expect(xml.name == "ErrorResponse" && xml.namespace == "https://iam.amazonaws.com/doc/2010-05-08/")
        #expect(xml["Error"]?["Type"]?.text == "Sender" && xml["Error"]?["Code"]?.text == "NoSuchEntity")
        #expect(xml["Error"]?["Message"]?.text == "there is no 'a<b'" && response.status == .notFound)
        func code(_ error: any Error, _ service: Operation.Service = .iam) -> String? {
            IAMError(error, service)?.code.name
        }
        #expect(code(SignatureError(.signatureMismatch, "")) == "SignatureDoesNotMatch")
        #expect(code(SignatureError(.scopeMismatch, "")) == "SignatureDoesNotMatch")
        #expect(code(IdentityError(.limit, ""), .sts) == "ValidationError")
        #expect(code(IdentityError(.expired, ""), .sts) == "ExpiredTokenException")
        #expect(IAMError(authentication: IdentityError(.expired, "")).code.name == "ExpiredToken")
        #expect(IAMError(authentication: IdentityError(.invalidToken, "")).code.name == "InvalidClientTokenId")
        struct Surprise: Error {}
        #expect(code(Surprise()) == nil)
    }
}
