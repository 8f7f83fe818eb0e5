/** A user of the deployment (codersdk `User`). */
export interface SandboxUser {
  readonly id: string;
  readonly username: string;
  readonly name: string;
  readonly email: string;
  readonly createdAtMs: number;
}
